"""The processes of the harness import `injected/` under names of their own."""

collect_ignore = ["injected"]
