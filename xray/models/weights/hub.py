"""Files of a repository at the model hub: which ones, and how they get here."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from xray.core.errors import XrayError, extra
from xray.models.weights.fingerprint import LOADED, PICKLES, variant
from xray.models.weights.folder import elsewhere

_SECONDS_TO_ANSWER = 30


@dataclass(frozen=True)
class Remote:
    """A file that can be had.

    Args:
        name: relative to the folder that it is pulled into.
        bytes: its size, if it is told.
        sha256: of its bytes, if it is told.
        blob: its git object id, for files that are stored in git itself.
    """

    name: str
    bytes: int | None = None
    sha256: str | None = None
    blob: str | None = None


@dataclass(frozen=True)
class Repository:
    """What a repository has at one revision.

    Args:
        commit: the revision.
        licence: as its card names it.
        files: all of them.
    """

    commit: str
    licence: str | None
    files: tuple[Remote, ...]


def repository(repo: str, revision: str | None, reference: str) -> Repository:
    """Ask the hub what there is.

    The token comes from the environment or the login, as huggingface_hub finds it.

    Args:
        repo: `org/name`.
        revision: commit, branch or tag; None: the newest.
        reference: what was asked for, for messages.

    Raises:
        XrayError: not there, not allowed, or no connection.
    """
    with extra("models"):
        from huggingface_hub import HfApi
    with _explained(repo, reference):
        info = HfApi(endpoint=_endpoint()).model_info(
            repo, revision=revision, files_metadata=True, timeout=_SECONDS_TO_ANSWER
        )
    if info.sha is None:
        raise XrayError(f"cannot pull {reference!r}: the hub does not say which commit it has")
    files = tuple(
        Remote(
            file.rfilename,
            file.lfs.size if file.lfs else file.size,
            file.lfs.sha256 if file.lfs else None,
            None if file.lfs else file.blob_id,
        )
        for file in info.siblings or ()
    )
    licence = getattr(info.card_data, "license", None)
    return Repository(info.sha, str(licence) if licence else None, files)


def chosen(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The files of a repository that are loaded, sorted.

    Safetensors, configurations and vocabularies that fit a pattern. Of weights that are there in several variants
    (fp16, …), the plain ones; where a folder has no plain ones, the half precision ones of all folders that have
    them, since a pipeline is loaded in one variant. Of a pipeline, only what lies in folders: what lies beside them
    is the same once more, in one file.

    >>> chosen(["model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "config.json"], ["*"])
    ['config.json', 'model.safetensors']
    >>> chosen(["model_index.json", "all.safetensors", "unet/m.fp16.safetensors", "vae/m.safetensors",
    ...         "vae/m.fp16.safetensors"], ["*"])
    ['model_index.json', 'unet/m.fp16.safetensors', 'vae/m.fp16.safetensors']
    """
    every = list(names)
    loaded = {
        name
        for name in every
        if name.endswith(LOADED)
        and not any(not part or part.startswith(".") for part in name.split("/"))
        and any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    if "model_index.json" in loaded:
        loaded = {name for name in loaded if "/" in name or not name.endswith(".safetensors")}
    tensors = {name for name in loaded if name.endswith(".safetensors")}
    variants: dict[str, set[str | None]] = {}
    for name in tensors:
        variants.setdefault(name.rpartition("/")[0], set()).add(variant(name))
    wanted = None if all(None in there for there in variants.values()) else "fp16"
    for name in tensors:
        there = variants[name.rpartition("/")[0]]
        best = wanted if wanted in there else None if None in there else min(filter(None, there))
        if variant(name) != best:
            loaded.discard(name)
    return sorted(loaded)


def check_safe(names: Sequence[str], every: Iterable[str], reference: str) -> None:
    """Refuse a repository from which no safetensors were chosen.

    Raises:
        XrayError: names a pickle, if there is one.
    """
    if any(name.endswith(".safetensors") for name in names):
        return
    pickles = sorted(name for name in every if name.endswith(PICKLES))
    if pickles:
        raise XrayError(
            f"refused the weights {reference!r}: they are there only as pickles ({pickles[0]}), which can run code "
            "when they are opened; ask for a revision or repository with safetensors"
        )
    raise XrayError(f"cannot pull {reference!r}: it has no safetensors that fit; files can be chosen by --file")


def fetch(repo: str, commit: str, names: Sequence[str], folder: Path, reference: str) -> None:
    """Bring files into a folder; those that are there already stay.

    Raises:
        XrayError: not allowed, no connection, or no room.
    """
    with extra("models"):
        from huggingface_hub import snapshot_download
    with _explained(repo, reference):
        snapshot_download(
            repo,
            revision=commit,
            local_dir=folder,
            allow_patterns=[glob.escape(name) for name in names],
            endpoint=_endpoint(),
        )


def git_blob(path: Path) -> str:
    """The git object id of a file: SHA-1 over a header and its bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def _explained(repo: str, reference: str) -> Iterator[None]:
    """Say what to do about a hub that does not give; never what it was asked with."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    # The HTTP client's own error, by the name that does not change with the client that huggingface_hub uses.
    from huggingface_hub.errors import HTTPError as ClientError  # type: ignore[attr-defined]

    try:
        yield
    except HfHubHTTPError as error:
        raise XrayError(_refusal(error.response.status_code, repo, reference)) from error
    except HFValidationError as error:
        raise XrayError(f"cannot pull {reference!r}: {repo!r} is no hub id org/name") from error
    except OfflineModeIsEnabled as error:
        raise XrayError(
            f"cannot pull {reference!r}: HF_HUB_OFFLINE is set; unset it where there is a connection. Without one: "
            f"{elsewhere(reference)}"
        ) from error
    except (ClientError, OSError, RuntimeError) as error:
        raise XrayError(
            f"cannot pull {reference!r}: {_cause(error)}. What has arrived is kept: pull again to go on. Without a "
            f"connection: {elsewhere(reference)}"
        ) from error


def _refusal(status: int, repo: str, reference: str) -> str:
    if status in (401, 403):
        return (
            f"cannot pull {reference!r}: the hub refuses {repo!r} ({status}). If it is gated, accept its licence on "
            "its page and log in by `hf auth login`, or set HF_TOKEN; the hub answers the same where there is no such "
            f"repository. Or {elsewhere(reference)}"
        )
    if status == 404:
        return f"cannot pull {reference!r}: the hub has no {repo!r}, or not this revision of it"
    return f"cannot pull {reference!r}: the hub answers {status} for {repo!r}; try again later"


def _cause(error: BaseException) -> str:
    """The innermost cause that the system gave, such as a refused connection or a full disk."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return f"no connection to the hub ({type(error).__name__})"
