"""The receipts in a run's folder: `receipts/STAGE/SHARD.json`, written last. What has no receipt does not exist."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from xray.core.checksummed import check_checksum, with_checksum
from xray.core.errors import ConfigError, DamagedError, Rejected
from xray.core.files import delete_file, exists, list_files, modified, read_committed, write_bytes
from xray.core.uri import base_name, join, local_path, location
from xray.runs.receipts import Receipt, Stage, parse_training_shard

_Signature = tuple[int, int, int]


class ReceiptFiles:
    """The receipts of a run, whatever they rest on; `xray.runs.dependencies` says which of them still count.

    On disk, a receipt that was read is kept until its file is another one: the same receipts are looked at many times.

    Args:
        uri: of the run.
    """

    def __init__(self, uri: str) -> None:
        self.uri, self._local = uri, local_path(uri)
        self._kept: dict[tuple[Stage, str], tuple[_Signature, Receipt]] = {}

    def write(self, stage: Stage, receipt: Receipt) -> None:
        """Write a receipt: from now on, what it names is committed."""
        write_bytes(self._uri(stage, receipt.shard), with_checksum(asdict(receipt)))

    def read(self, stage: Stage, shard: str) -> Receipt:
        """Read the receipt of a shard in a stage.

        Raises:
            DamagedError: it is missing, not as it was written, that of another shard, or names a file elsewhere.
        """
        signature, kept = self._signature(stage, shard), self._kept.get((stage, shard))
        if kept is not None and signature is not None and kept[0] == signature:
            return kept[1]
        uri = self._uri(stage, shard)
        try:
            data = read_committed(uri)
        except Rejected as verdict:
            cause = verdict.detail or verdict.reason
            mend = "`xray verify RUN` lists all damage"
            raise DamagedError(f"{location(uri)} cannot be read ({cause}); {mend}") from None
        receipt = Receipt.of(check_checksum(data, location(uri)), location(uri))
        receipt.check_of(stage, shard, location(uri))
        if signature is not None:
            self._kept[stage, shard] = signature, receipt
        return receipt

    def find(self, stage: Stage, shard: str) -> Receipt | None:
        """Read the receipt of a shard in a stage; None if there is none, or a damaged one."""
        try:
            return self.read(stage, shard)
        except (ConfigError, DamagedError):
            return None

    def exists(self, stage: Stage, shard: str) -> bool:
        """Whether a shard has a receipt in a stage."""
        return exists(self._uri(stage, shard))

    def revoke(self, stage: Stage, shard: str) -> None:
        """Remove a receipt, so that the work is done again."""
        delete_file(self._uri(stage, shard))

    def shards(self, stage: Stage) -> set[str]:
        """Names of all shards that have a receipt, including those of earlier plans."""
        if self._local is not None:
            return {name.removesuffix(".json") for name in _names(self._local.joinpath("receipts", *stage))}
        folder = join(self.uri, "receipts", *stage)
        if not exists(folder):
            return set()
        return {base_name(uri).removesuffix(".json") for uri in list_files(folder, recursive=False)}

    def committed(self, stage: Stage) -> dict[str, float]:
        """Commit times of the shards: seconds since 1970, by the clock of the store."""
        folder = join(self.uri, "receipts", *stage)
        return {base_name(uri).removesuffix(".json"): when for uri, when in modified(folder).items()}

    def models(self, work: str = "evaluate") -> list[str]:
        """Names of the models that have receipts of evaluations, or of `features`."""
        folder = join(self.uri, "receipts", work)
        if not exists(folder):
            return []
        return sorted({base_name(uri.rpartition("/")[0]) for uri in list_files(folder)})

    def trainings(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """(Fold, repeat) of the trainings that have receipts, by model and scenario."""
        folder = join(self.uri, "receipts", "train")
        shards: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for uri in list_files(folder) if exists(folder) else ():
            within, _, file = uri.rpartition("/")
            shard = parse_training_shard(base_name(file).removesuffix(".json"))
            shards.setdefault((base_name(within.rpartition("/")[0]), base_name(within)), []).append(shard)
        return {key: sorted(names) for key, names in sorted(shards.items())}

    def _uri(self, stage: Stage, shard: str) -> str:
        return join(self.uri, "receipts", *stage, f"{shard}.json")

    def _signature(self, stage: Stage, shard: str) -> _Signature | None:
        """Return what changes with every commit of a receipt on disk; None in an object store, or without it."""
        if self._local is None:
            return None
        try:
            facts = os.stat("/".join((str(self._local), "receipts", *stage, f"{shard}.json")))  # noqa: PTH116 - asked often
        except (OSError, ValueError):
            return None
        return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _names(folder: Path) -> list[str]:
    """The names of the files in a folder on disk, without hidden ones; none if there is no such folder."""
    try:
        return [path.name for path in os.scandir(folder) if not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
