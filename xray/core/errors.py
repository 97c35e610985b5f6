"""Errors by kind: configuration, storage, resources; and the rejection of one image, which is no error."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator

from xray.core.text import printable

_WIDTH = 80
"""Characters of a choice that an error shows."""


class XrayError(Exception):
    """An error that the user can fix; the message names the thing, the value and the choices.

    Args:
        message: one line for people.
        where: keys and indices that lead to the faulty part of a nested value, if any.
    """

    def __init__(self, message: str, where: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.where = where


class ConfigError(XrayError, ValueError):
    """A request that makes no sense: a recipe, an option, an argument, or a file that the user gave."""


class StorageError(XrayError, OSError):
    """A file that cannot be read or written, or an object store that fails."""


class UnreachableError(StorageError):
    """An object store does not answer or denies access; the state of its contents is unknown."""


class DamagedError(StorageError):
    """A committed file differs from its recorded hash."""


class ResourceError(XrayError, RuntimeError):
    """Missing hardware or software: GPUs, memory, a Ray cluster, an optional library; or another process at work."""


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
    """Turn a failing import of an optional library into a ResourceError that names the extra to install.

    >>> with extra("ray"):
    ...     import no_such_library
    Traceback (most recent call last):
    xray.core.errors.ResourceError: no_such_library is not installed: pip install 'xray-robustness[ray]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ResourceError(f"{error.name} is not installed: pip install 'xray-robustness[{name}]'") from error


def unknown(kind: str, value: object, choices: Iterable[str]) -> ConfigError:
    """Create an error that names the unknown value and the nearest choice.

    >>> str(unknown("scenario", "blur_backgrond", ["blur_background", "original"]))
    "unknown scenario 'blur_backgrond'; did you mean 'blur_background'? (choices: blur_background, original)"
    """
    names = sorted(choices)
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    choice = ", ".join(printable(name, _WIDTH) for name in names)
    return ConfigError(f"unknown {kind} {str(value)!r}; {hint}(choices: {choice})")
