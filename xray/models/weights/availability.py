"""Check that weights are here, or can be downloaded, without loading them."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, build_opener, urlopen

from xray.core.errors import MALFORMED, ConfigError, problem_of
from xray.core.uri import local_path, to_uri
from xray.models.weights.checkpoint import weights_unavailable

HUB_SECONDS = 4
"""Longest wait for the answer of a server: with the imports of the libraries, commands then fail within 10 s."""
_WEIGHTS = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"
)  # fmt: skip


def check_header(location: str) -> None:
    """Refuse a local file of weights that cannot be a checkpoint; files elsewhere are not read here.

    Raises:
        ConfigError: the file is empty, or its beginning is neither that of safetensors nor of a torch checkpoint.
    """
    path = local_path(to_uri(location))
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"the weights {location!r} are a folder: name the file in it")
    if location.endswith(".safetensors"):
        from safetensors import safe_open

        try:
            with safe_open(path, "np") as file:
                file.keys()
        except MALFORMED as error:
            problem = problem_of(error)
            raise ConfigError(f"refused the weights {location!r}: not safetensors, or cut off ({problem})") from error
        return
    with path.open("rb") as opened:
        start = opened.read(2)
    if start != b"PK" and start[:1] != b"\x80":
        seen = f"its first bytes are {start!r}" if start else "it is empty"
        raise ConfigError(f"refused the weights {location!r}: {seen}, not those of a torch checkpoint")


def read_config(folder: Path, title: str) -> dict[str, Any]:
    """Return the config.json of a folder with a model, once its weights are found beside it.

    Raises:
        ConfigError: there is no config.json or no file of weights, or one is damaged.
    """
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot load {title!r}: {str(folder / 'config.json')!r}: {error}") from error
    present = [name for name in _WEIGHTS if (folder / name).exists()]
    if not present:
        names = ", ".join(sorted(path.name for path in folder.iterdir())[:5])
        raise ConfigError(f"cannot load {title!r}: {str(folder)!r} has no model.safetensors, only {names}")
    if not present[0].endswith(".json"):
        check_header(str(folder / present[0]))
    return config if isinstance(config, dict) else {}


def cached_folder(repo: str, revision: str | None) -> Path | None:
    """Return the folder of a repository in the hub's cache if its weights are there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in _WEIGHTS:
        try:
            found = try_to_load_from_cache(repo, name, revision=revision)
        except HFValidationError:
            return None
        if isinstance(found, str):
            return Path(found).parent
    return None


def check_hub(repo: str, revision: str | None, title: str) -> None:
    """Refuse a repository that the hub does not have or that cannot be asked for, within `HUB_SECONDS`.

    Raises:
        ConfigError: one line that says why, and how to get the weights.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if constants.HF_HUB_OFFLINE:
        raise weights_unavailable(title, OSError("HF_HUB_OFFLINE is set, and they are not in the hub's cache"))
    endpoint = os.environ.get("HF_ENDPOINT") or None

    def ask() -> None:
        try:
            HfApi(endpoint=endpoint).model_info(repo, revision=revision, timeout=HUB_SECONDS)
        except HFValidationError as error:
            raise ConfigError(f"{title!r} is no model: {repo!r} is not a hub id owner/name") from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            reason = "has no such model or revision" if status in (401, 404) else "does not give it"
            raise weights_unavailable(title, OSError(f"the hub {reason} (answer {status})")) from error
        except Exception as error:  # whatever the HTTP client raises without a connection
            raise weights_unavailable(title, OSError("the hub cannot be reached")) from error

    _within(HUB_SECONDS, ask, weights_unavailable(title, OSError(f"no answer of the hub in {HUB_SECONDS} s")))


def check_url(url: str, title: str) -> None:
    """Refuse an address of weights that cannot be reached, within `HUB_SECONDS`.

    Raises:
        ConfigError: one line that says why, and how to get the weights.
    """

    def ask() -> None:
        try:
            urlopen(Request(url, method="HEAD"), timeout=HUB_SECONDS).close()
        except (URLError, OSError) as error:
            server = url.split("/")[2]
            raise weights_unavailable(title, OSError(f"{server} cannot be reached, and they are not cached")) from error

    _within(HUB_SECONDS, ask, weights_unavailable(title, OSError(f"no answer in {HUB_SECONDS} s: {url}")))


def answers(url: str, seconds: float) -> bool:
    """Return whether a server answers anything within some seconds, through the proxy that the environment names."""

    def ask() -> None:
        with contextlib.suppress(HTTPError):
            build_opener().open(Request(url, method="HEAD"), timeout=seconds).close()

    try:
        _within(seconds, ask, ConfigError(f"no answer in {seconds} s: {url}"))
    except (OSError, HTTPException, ValueError):
        return False
    return True


def _within(seconds: float, ask: Callable[[], None], late: ConfigError) -> None:
    """Run a function in a thread that does not keep the process alive; raise its error, or `late`."""
    errors: list[Exception] = []

    def run() -> None:
        try:
            ask()
        except Exception as error:  # noqa: BLE001 - raised again by the caller
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if thread.is_alive():
        raise late
