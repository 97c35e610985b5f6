"""The model hub: list a repository, choose the files to load, download them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from xray.core.errors import ConfigError, StorageError, extra
from xray.models.weights.fingerprint import LOADED, PICKLES, variant, variants
from xray.models.weights.folder import offline_advice

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    Args:
        name: relative to the folder that it is pulled into.
        bytes: its size, if the server reports it.
        sha256: hash of its bytes, if known beforehand.
        blob: its git object id, for files stored in git itself.
    """

    name: str
    bytes: int | None = None
    sha256: str | None = None
    blob: str | None = None


def list_repository(repo: str, revision: str | None, reference: str) -> tuple[str, str | None, list[RemoteFile]]:
    """Return commit, licence and files of a repository; huggingface_hub finds the token."""
    with extra("models"):
        from huggingface_hub import HfApi
    with explain_errors(reference, repo):
        info = HfApi(endpoint=_endpoint()).model_info(
            repo, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS
        )
    if info.sha is None:
        raise StorageError(f"cannot pull {reference!r}: the hub does not report the commit")
    files = [
        RemoteFile(file.rfilename, file.lfs.size, file.lfs.sha256)
        if file.lfs
        else RemoteFile(file.rfilename, file.size, blob=file.blob_id)
        for file in info.siblings or ()
    ]
    licence = getattr(info.card_data, "license", None)
    return info.sha, str(licence) if licence else None, files


def select_files(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Return the sorted names of the files to load: safetensors, configurations and vocabularies that fit a pattern.

    Where weights exist in several variants (fp16, …), the plain ones. Where a folder has no plain ones, the half
    precision ones of all folders that have them, because a pipeline is loaded in one variant. Safetensors beside
    `model_index.json` are left out: they repeat the pipeline in a single file.

    >>> select_files(["model.safetensors", "model.fp16.safetensors", "pytorch_model.bin", "config.json"], ["*"])
    ['config.json', 'model.safetensors']
    >>> select_files(["model_index.json", "all.safetensors", "unet/m.fp16.safetensors", "vae/m.safetensors",
    ...         "vae/m.fp16.safetensors"], ["*"])
    ['model_index.json', 'unet/m.fp16.safetensors', 'vae/m.fp16.safetensors']
    """
    selected = {
        name
        for name in names
        if name.endswith(LOADED)
        and not any(not part or part.startswith(".") for part in name.split("/"))
        and any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    if "model_index.json" in selected:
        selected = {name for name in selected if "/" in name or not name.endswith(".safetensors")}
    by_folder = variants(selected)
    preferred = None if all(None in existing for existing in by_folder.values()) else "fp16"
    best = {
        folder: preferred if preferred in existing else None if None in existing else min(filter(None, existing))
        for folder, existing in by_folder.items()
    }
    return sorted(
        name for name in selected if not name.endswith(".safetensors") or variant(name) == best[name.rpartition("/")[0]]
    )


def check_safe(selected: Sequence[str], names: Iterable[str], reference: str) -> None:
    """Refuse a repository if no safetensors were selected from its names."""
    if any(name.endswith(".safetensors") for name in selected):
        return
    pickles = sorted(name for name in names if name.endswith(PICKLES))
    if pickles and not any(name.endswith(".safetensors") for name in names):
        raise ConfigError(
            f"refused the weights {reference!r}: only pickles ({pickles[0]}), which can run code when they are opened; "
            "use a revision or repository with safetensors"
        )
    raise ConfigError(f"cannot pull {reference!r}: it has no safetensors that fit; choose files by --file")


def download(repo: str, commit: str, names: Sequence[str], folder: Path, reference: str) -> None:
    """Download files into a folder; complete files are kept, partial ones resumed."""
    with extra("models"):
        from huggingface_hub import snapshot_download
    patterns = [glob.escape(name) for name in names]
    with explain_errors(reference, repo):
        snapshot_download(repo, revision=commit, local_dir=folder, allow_patterns=patterns, endpoint=_endpoint())


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def explain_errors(reference: str, repo: str | None = None) -> Iterator[None]:
    """Turn errors of a download into advice that never shows the token.

    Args:
        reference: as requested.
        repo: hub repository; None: a web address.
    """
    with extra("models"):
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

        # The HTTP client's own error, by the name that does not change with the client that huggingface_hub uses.
        from huggingface_hub.errors import HTTPError as ClientError  # type: ignore[attr-defined]
    try:
        yield
    except HFValidationError as error:
        raise ConfigError(f"cannot pull {reference!r}: {repo!r} is not a hub id org/name") from error
    except OfflineModeIsEnabled as error:
        raise ConfigError(
            f"cannot pull {reference!r}: HF_HUB_OFFLINE is set; unset it if there is a connection. Without one: "
            f"{offline_advice(reference)}"
        ) from error
    except (HfHubHTTPError, HTTPError) as error:
        if isinstance(error, HTTPError):
            error.close()
        status = error.code if isinstance(error, HTTPError) else error.response.status_code
        raise StorageError(f"cannot pull {reference!r}: {_refusal(status, repo, reference)}") from error
    except (ClientError, HTTPException, OSError, RuntimeError) as error:
        raise StorageError(
            f"cannot pull {reference!r}: {_root_cause(error)}. Pull again to resume. Without a connection: "
            f"{offline_advice(reference)}"
        ) from error


def _refusal(status: int, repo: str | None, reference: str) -> str:
    server, thing = (f"the hub, asked for {repo!r},", "repository or revision") if repo else ("the server", "file")
    if status in (404, 410):
        return f"{server} has no such {thing} ({status})"
    if status not in (401, 403):
        return f"{server} answers {status}; try again later"
    login = (
        ". If it is gated, accept its licence on its page and log in by `hf auth login`, or set HF_TOKEN. The hub "
        "gives the same answer for a repository that does not exist. Or "
    )
    return f"{server} denies access ({status}){login if repo else '; '}{offline_advice(reference)}"


def _root_cause(error: BaseException) -> str:
    """Return the innermost message of the operating system, such as a refused connection or a full disk."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return f"no connection ({type(error).__name__})"
