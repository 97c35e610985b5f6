"""`xray weights`: list, pull and verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from xray.core.errors import ConfigError
from xray.core.progress import readable_bytes

if TYPE_CHECKING:
    from xray.models.weights import Resolved

app = typer.Typer(
    name="weights",
    help="Weights of models: a catalogue, and a folder of pinned and hashed files.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(soft_wrap=True, highlight=False, markup=False)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of weights. Default: XRAY_WEIGHTS, or in xray's cache.")
]


@app.command("list")
def list_weights(folder: Folder = None) -> None:
    """List the weights in the catalogue and in the folder."""
    from xray.models.weights.catalog import CATALOG
    from xray.models.weights.folder import folder_name, pulled_folders, weights_folder

    path = (folder or weights_folder()).absolute()
    pulled = {path.name: manifest for path, manifest in pulled_folders(path)}
    name, size, here = (Column(header, no_wrap=True) for header in ("name", "size", "here"))
    table = Table(name, "for", size, "licence", here, box=None, header_style="bold")
    for reference, entry in CATALOG.items():
        manifest = pulled.pop(folder_name(reference), None)
        total = readable_bytes(manifest.bytes if manifest else entry.gigabytes * 1e9)
        table.add_row(reference, entry.use, total, entry.licence, manifest.fingerprint[:12] if manifest else "")
    for manifest in pulled.values():
        total = readable_bytes(manifest.bytes)
        table.add_row(manifest.reference, "", total, manifest.licence, manifest.fingerprint[:12])
    out.print(table)
    out.print(f"folder: {path}; to pull others: xray weights pull NAME")


@app.command()
def pull(
    references: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="A name of the list, a hub id org/name, or a web address.")
    ],
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag of a hub id.")] = None,
    file: Annotated[list[str] | None, typer.Option("--file", help="Pattern of files to pull; may be repeated.")] = None,
    sha256: Annotated[str | None, typer.Option(help="SHA-256 of the file at a web address.")] = None,
    folder: Folder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show files and sizes; write nothing.")] = False,
) -> None:
    """Pull weights, checked and pinned. After an interruption, run it again to resume."""
    from xray.models.weights import pull as pull_weights
    from xray.models.weights import resolve

    if len(references) > 1 and (revision or file or sha256):
        raise ConfigError("--revision, --file and --sha256 go with one name at a time")
    for reference in references:
        if dry_run:
            _print_resolved(resolve(reference, revision, sha256, file or ()))
            continue
        pulled = pull_weights(reference, revision, sha256=sha256, files=file or (), folder=folder)
        for note in pulled.notes:
            out.print(f"note: {note}")
        manifest = pulled.manifest
        out.print(
            f"{manifest.reference}: {'pulled' if pulled.downloaded else 'already here and complete'}, "
            f"{len(manifest.files)} files, {readable_bytes(manifest.bytes)}, licence {manifest.licence or 'unknown'}, "
            f"fingerprint {manifest.fingerprint[:12]}: {pulled.path}",
        )


def _print_resolved(resolved: Resolved) -> None:
    table = Table(box=None, show_header=False)
    for file in resolved.files:
        table.add_row(file.name, "size unknown" if file.bytes is None else readable_bytes(file.bytes))
    out.print(table)
    total = readable_bytes(sum(file.bytes or 0 for file in resolved.files))
    source = f"{resolved.repo} at {resolved.revision}" if resolved.repo else (resolved.url or "").partition("?")[0]
    out.print(
        f"would pull {len(resolved.files)} files, {total}, licence {resolved.licence or 'unknown'}, from {source}; "
        "nothing written",
    )


@app.command()
def verify(
    references: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="Default: all that were pulled.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Check every file against the hash in its manifest."""
    from xray.models.weights.verify import verify as verify_weights

    def report(reference: str, differences: list[str]) -> None:
        out.print(f"{reference}: {'; '.join(differences) or 'unchanged'}")

    checked = verify_weights(references or (), folder, report)
    if not checked:
        out.print("nothing was pulled yet")
    if changed := [reference for reference, differences in checked.items() if differences]:
        raise ConfigError(
            f"{len(changed)} of {len(checked)} weights differ from their manifests: {', '.join(changed)}; xray weights "
            "pull restores missing and changed files"
        )
