"""Errors by kind: configuration, storage, resources; and the rejection of one image, which is no error."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator

from xray.core.text import printable

_WIDTH = 80
"""Characters of a choice that an error shows."""
_MAX_VALUE = 300
"""Characters of a value that is none of the choices."""
_MAX_CHOICES, _MAX_COMPARED = 100, 10_000
"""Choices that an error lists, and that are compared with the value."""
_MAX_PROBLEM = 1000
"""Characters of what is wrong with a file: a parser's message may quote all of it."""
_MAX_MESSAGE = 4000


class XrayError(Exception):
    """An error that the user can fix; the message names the thing, the value and the choices.

    Args:
        message: one line for people; the middle of one of thousands of characters is cut, which quotes a file.
        where: keys and indices that lead to the faulty part of a nested value, if any.
    """

    def __init__(self, message: str, where: tuple[str | int, ...] = ()) -> None:
        half = _MAX_MESSAGE // 2
        super().__init__(message if len(message) <= _MAX_MESSAGE else f"{message[:half]}…{message[-half:]}")
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


MALFORMED = (Exception,)
"""What a decoder or parser may raise on a user's file: anything. `problem_of` says what is wrong with the file."""
_NO_MEMORY_OF_OPENCV = -4  # cv2.Error.StsNoMem; nothing here imports OpenCV
_PLAIN = (Rejected, OSError, ValueError, SyntaxError, EOFError, RuntimeError)


def problem_of(error: Exception) -> str:
    """Return what is wrong with a user's file, from what its decoder or parser raised.

    The type is named where libraries do not raise it on purpose, so that a mistake in the program can be seen.

    Raises:
        XrayError: `error` itself, where the file is not at fault: a store that fails, a library that is missing.

    >>> problem_of(ValueError("no box")), problem_of(KeyError("label"))
    ('no box', "KeyError: 'label'")
    """
    if isinstance(error, StorageError | ResourceError):
        raise error
    text = printable(str(error)[: 2 * _MAX_PROBLEM], _MAX_PROBLEM)
    is_plain = isinstance(error, _PLAIN) and not isinstance(error, RecursionError | NotImplementedError)
    return text if is_plain and text else ": ".join(filter(None, (type(error).__name__, text)))


def _lacks_memory(error: Exception) -> bool:
    of_opencv = type(error).__module__.partition(".")[0] == "cv2" and getattr(error, "code", 0) == _NO_MEMORY_OF_OPENCV
    return isinstance(error, MemoryError) or of_opencv


@contextlib.contextmanager
def rejecting(reason: str, what: str = "") -> Iterator[None]:
    """Turn whatever a decoder or parser of a user's file raises into the rejection of that file.

    What a library raises for a damaged file is not known beforehand, so every exception counts. Verdicts, and errors
    that the user can fix, pass unchanged. Too little memory says nothing about the file: the reason is then `error`,
    and where that is the reason anyway, because a program works and no decoder, it passes unchanged.

    Args:
        reason: a code of `xray.core.schema.REASONS`.
        what: is read, for the detail; may be empty.

    >>> with rejecting("corrupt_image", "1.tif"):
    ...     raise TypeError("missing dimensions")
    Traceback (most recent call last):
    xray.core.errors.Rejected: corrupt_image: 1.tif: TypeError: missing dimensions
    """
    try:
        yield
    except (Rejected, XrayError):
        raise
    except Exception as error:
        if _lacks_memory(error):
            if reason == "error":
                raise
            reason = "error"
        raise Rejected(reason, ": ".join(filter(None, (what, problem_of(error))))) from error


@contextlib.contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn whatever a parser raises on a file that a whole run needs into a ConfigError, one line.

    Args:
        what: is read: the name of the file, and what it should be.

    >>> with refusing("'a.parquet' as Parquet"):
    ...     {}["size"]
    Traceback (most recent call last):
    xray.core.errors.ConfigError: cannot read 'a.parquet' as Parquet: KeyError: 'size'
    """
    try:
        yield
    except XrayError:
        raise
    except MALFORMED as error:
        raise ConfigError(f"cannot read {what}: {problem_of(error)}") from error


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
    shown = printable(str(value)[: 2 * _MAX_VALUE], _MAX_VALUE)
    near = difflib.get_close_matches(shown, names[:_MAX_COMPARED], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    choice = ", ".join(printable(name, _WIDTH) for name in names[:_MAX_CHOICES])
    if len(names) > _MAX_CHOICES:
        choice += f" and {len(names) - _MAX_CHOICES:,} more"
    return ConfigError(f"unknown {kind} {shown!r}{hint} (choices: {choice})")
