"""Plan a run: scan the photographs, then write down every image before any is made."""
