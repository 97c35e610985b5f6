"""Writes Debian packages and Qt resource files, as dpkg-deb and rcc do, for the tests that read them."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath


def deb(files: Mapping[str, bytes], compression: str = "xz") -> bytes:
    """Return a Debian package with these files; `compression` is xz, gz, or empty."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=f"w:{compression}") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    members = {"debian-binary": b"2.0\n", f"data.tar.{compression}".rstrip("."): sink.getvalue()}
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def qt_resources(files: Mapping[str, bytes], version: int = 3, compressed: frozenset[str] = frozenset()) -> bytes:
    """Return a Qt resource file with these files, by absolute path; `compressed` only sets their flag."""
    tree: dict[PurePosixPath, list[PurePosixPath]] = {PurePosixPath("/"): []}
    for path in map(PurePosixPath, files):
        for folder, child in zip(path.parents, (path, *path.parents), strict=False):
            tree.setdefault(folder, [])
            if child not in tree[folder]:
                tree[folder].append(child)
    order = [PurePosixPath("/")]
    first = {}
    for node in order:  # grows: breadth first, so that children are neighbours
        first[node] = len(order)
        order.extend(tree.get(node, []))
    names, positions = b"", {}
    for node in order[1:]:
        positions[node] = len(names)
        names += struct.pack(">HI", len(node.name), 0) + node.name.encode("utf-16-be")
    records, blocks = b"", b""
    for node in order:
        name = positions.get(node, 0)
        if node in tree:
            records += struct.pack(">IHII", name, 2, len(tree[node]), first[node])
        else:
            data = files[str(node)]
            records += struct.pack(">IHHHI", name, int(str(node) in compressed), 0, 0, len(blocks))
            blocks += struct.pack(">I", len(data)) + data
        records += bytes(8) if version > 1 else b""
    header = 20 if version < 3 else 24
    positions_of = (header, header + len(records), header + len(records) + len(blocks))
    flags = bytes(4) if version > 2 else b""
    return b"qres" + struct.pack(">4I", version, *positions_of) + flags + records + blocks + names
