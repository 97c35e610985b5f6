"""`xray weights`: list, pull and verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from xray.core.errors import XrayError
from xray.core.progress import readable_bytes

if TYPE_CHECKING:
    from xray.models.weights import Offer

app = typer.Typer(
    name="weights",
    help="Weights of models: what there is, and a folder of them that are pinned and hashed.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console(soft_wrap=True, highlight=False, markup=False)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder of weights. Default: XRAY_WEIGHTS, or in xray's cache.")
]


@app.command("list")
def list_weights(folder: Folder = None) -> None:
    """What has a name, and what of it is here."""
    from xray.models.weights.catalog import KNOWN
    from xray.models.weights.folder import folder_name, pulled_folders, weights_folder

    place = (folder or weights_folder()).absolute()
    pulled = {path.name: manifest for path, manifest in pulled_folders(place)}
    name, size, here = (Column(header, no_wrap=True) for header in ("name", "size", "here"))
    table = Table(name, "for", size, "licence", here, box=None, header_style="bold")
    for reference, known in KNOWN.items():
        manifest = pulled.pop(folder_name(reference), None)
        bytes_there = readable_bytes(manifest.bytes if manifest else known.gigabytes * 1e9)
        table.add_row(reference, known.use, bytes_there, known.licence, manifest.fingerprint[:12] if manifest else "")
    for manifest in pulled.values():
        table.add_row(
            manifest.reference, "", readable_bytes(manifest.bytes), manifest.licence, manifest.fingerprint[:12]
        )
    out.print(table)
    out.print(f"folder: {place}; what is not here: xray weights pull NAME")


@app.command()
def pull(
    references: Annotated[
        list[str], typer.Argument(metavar="NAME…", help="A name of the list, a hub id org/name, or a web address.")
    ],
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag of a hub id.")] = None,
    file: Annotated[list[str] | None, typer.Option("--file", help="Pattern of files to take; may be repeated.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Of the file at a web address.")] = None,
    folder: Folder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be brought, and how much.")] = False,
) -> None:
    """Bring weights here, checked and pinned. Run again after any interruption, it goes on."""
    from xray.models.weights import offered
    from xray.models.weights import pull as verb

    if len(references) > 1 and (revision or file or sha256):
        raise XrayError("--revision, --file and --sha256 go with one name at a time")
    for reference in references:
        if dry_run:
            _print_offer(offered(reference, revision, sha256, file or ()))
            continue
        pulled = verb(reference, revision, sha256=sha256, files=file or (), folder=folder)
        for remark in pulled.remarks:
            out.print(f"note: {remark}")
        manifest = pulled.manifest
        out.print(
            f"{manifest.reference}: {'pulled' if pulled.anew else 'here already, and whole'}, "
            f"{len(manifest.files)} files, {readable_bytes(manifest.bytes)}, licence {manifest.licence or 'not told'}, "
            f"fingerprint {manifest.fingerprint[:12]}: {pulled.path}",
        )


def _print_offer(offer: Offer) -> None:
    table = Table(box=None, show_header=False)
    for file in offer.files:
        table.add_row(file.name, "size not told" if file.bytes is None else readable_bytes(file.bytes))
    out.print(table)
    total = readable_bytes(sum(file.bytes or 0 for file in offer.files))
    where = f"{offer.repo} at {offer.revision}" if offer.repo else (offer.url or "").partition("?")[0]
    out.print(
        f"would bring {len(offer.files)} files, {total}, licence {offer.licence or 'not told'}, from {where}; "
        "nothing written",
    )


@app.command()
def verify(
    references: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="Default: all that is here.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Check every file against the hash in its manifest."""
    from xray.models.weights.verify import verify as verify_weights

    def tell(reference: str, differences: list[str]) -> None:
        out.print(f"{reference}: {'; '.join(differences) or 'as it was'}")

    checked = verify_weights(references or (), folder, tell)
    if not checked:
        out.print("nothing was pulled yet")
    if bad := [reference for reference, differences in checked.items() if differences]:
        raise XrayError(
            f"{len(bad)} of {len(checked)} weights are not as they were: {', '.join(bad)}; xray weights pull brings "
            "back what is missing or changed"
        )
