"""Options that several commands share, and options of several words, such as `--factors model scenario`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe: a YAML file, by path or URI.")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="The run's folder, by path or URI (s3://, gs://).")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Import the plug-ins that the run names: code that you must trust.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and its cost; do nothing.")]
BadRows = Annotated[
    float | None, typer.Option(min=0, max=1, help="Share of bad rows at which the run stops, for example 0.05.")
]


First = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Plan only the first N photographs of each category, to look at. Without it, the same command adds the "
        "others; no image is made twice.",
    ),
]


class SeveralWords(TyperCommand):
    """A command whose repeatable options take all words up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the name of a repeatable option before each of its words, then parse as usual."""
        several = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        return super().parse_args(ctx, list(repeated(args, several)))


def repeated(words: Iterable[str], several: Set[str]) -> Iterator[str]:
    """Words of a command line in which every option has one value.

    The first word behind an option is its value whatever it looks like; those that follow are, up to one that begins
    with `-`. An argument therefore stands before such an option, or behind `--`.

    Args:
        words: as the shell gives them.
        several: options that take several words.

    >>> list(repeated(["t.csv", "--factors", "model", "-1=a b", "--out", "x", "--factors", "k"], {"--factors"}))
    ['t.csv', '--factors=model', '-1=a b', '--out', 'x', '--factors=k']
    >>> list(repeated(["--factors", "-a", "b", "--", "t.csv"], {"--factors"}))
    ['--factors=-a', '--factors=b', '--', 't.csv']
    """
    rest = iter(words)
    option = ""
    for word in rest:
        if word == "--":
            yield from (word, *rest)
        elif word in several:
            option = word
            first = next(rest, None)
            yield option if first is None else f"{option}={first}"
        elif word.startswith("-"):
            option = ""
            yield word
        else:
            yield f"{option}={word}" if option else word
