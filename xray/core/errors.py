"""What can go wrong, in two kinds: a request that makes no sense, and an image that cannot be used."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class XrayError(ValueError):
    """A request that cannot be carried out; the message names the thing, the value and the choices.

    Args:
        message: for people.
        where: keys and indices that lead to the faulty part of a nested value, if there is one.
    """

    def __init__(self, message: str, where: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.where = where


class UnreachableError(XrayError):
    """An object store does not answer, or does not let us in: nothing is known of what lies there."""


class DamagedError(XrayError):
    """A file that vouches for others is not as it was written."""


class Rejected(Exception):  # noqa: N818 - a verdict on one row, not an error of the program
    """One image or mask cannot be used; the run goes on without it.

    Args:
        reason: a code of `xray.core.schema.REASONS`.
        detail: what was seen, for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@contextlib.contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn the failing import of an optional library into advice.

    Args:
        name: of the extra that brings it.

    Raises:
        XrayError: says what to install.

    >>> with extra("ray"):
    ...     import no_such_library
    Traceback (most recent call last):
    xray.core.errors.XrayError: no_such_library is not installed: pip install 'xray-robustness[ray]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise XrayError(f"{error.name} is not installed: pip install 'xray-robustness[{name}]'") from error


def unknown(kind: str, value: object, choices: Iterable[str]) -> XrayError:
    """An error that names the unknown value and the nearest choice.

    >>> str(unknown("scenario", "blur_backgrond", ["blur_background", "original"]))
    "unknown scenario 'blur_backgrond'; did you mean 'blur_background'? (choices: blur_background, original)"
    """
    names = sorted(choices)
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return XrayError(f"unknown {kind} {str(value)!r}; {hint}(choices: {', '.join(names)})")
