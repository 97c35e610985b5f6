"""Runs whose files were written by an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

from xray.core.checksummed import with_checksum
from xray.runs.receipts import file_facts


def record_files_as_they_are(folder: Path) -> None:
    """Let the record and the receipts of a run vouch for the files as they are now, as an earlier version did."""
    record = json.loads((folder / "run.json").read_bytes())
    record["files"] = {name: file_facts((folder / name).read_bytes())["sha256"] for name in record["files"]}
    _write(folder / "run.json", record)
    for path in (folder / "receipts").rglob("*.json"):
        receipt = json.loads(path.read_bytes())
        for name, entry in receipt.get("files", {}).items():
            facts = file_facts(folder.joinpath(*entry["path"]).read_bytes())
            receipt["files"][name] = {key: entry[key] for key in ("path", "rows") if key in entry} | facts
        _write(path, receipt | {"made_from": {}, "content": {}})


def _write(path: Path, values: dict[str, object]) -> None:
    path.write_bytes(with_checksum({name: value for name, value in values.items() if name != "sha256"}))
