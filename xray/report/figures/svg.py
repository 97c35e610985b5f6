"""Figures as SVG files and inside pages: the same bytes for the same numbers, with text as text."""

from __future__ import annotations

import io
import os
import re
import warnings
from xml.etree import ElementTree as ET

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xray.core.errors import ConfigError
from xray.core.files import write_bytes
from xray.core.uri import to_uri
from xray.report.figures.style import INK

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_ID = re.compile(r"#([A-Za-z_][\w.-]*)")
_DPI = 200


def svg_bytes(drawn: Axes | Figure, name: str = "xray", ground: str = "white") -> bytes:
    """Return a figure as an SVG document without a date, whose ids depend only on `name`.

    Args:
        drawn: a figure, or axes of it.
        name: salt of the ids.
        ground: background colour, or `none`.
    """
    figure = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
    assert isinstance(figure, Figure)
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}), warnings.catch_warnings():
        # The viewer's fonts draw the text, so a glyph missing from matplotlib's font only affects the layout.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None}, facecolor=ground, dpi=_DPI)
    return written.getvalue()


def save(drawn: Axes | Figure, location: str | os.PathLike[str]) -> None:
    """Write a figure as an SVG file, atomically.

    Args:
        drawn: a figure, or axes of it.
        location: path or URI ending in `.svg`; another ending is an `XrayError`.
    """
    if not os.fspath(location).endswith(".svg"):
        raise ConfigError(f"figures are written as SVG: end the name with .svg, not {os.fspath(location)!r}")
    write_bytes(to_uri(location), svg_bytes(drawn))


def inline_svg(drawn: Axes | Figure, title: str, name: str) -> Markup:
    """Return a figure as an `<svg>` element for a page.

    Text is in the page's font; `style.INK` becomes the colour of the surrounding text.

    Args:
        drawn: a figure, or axes of it.
        title: the alternative text.
        name: unique in the page; letters, digits, `-` and `_`.
    """
    root = ET.fromstring(svg_bytes(drawn, name, ground="none"))
    _tidy(root, name)
    width = float(root.attrib.pop("width").removesuffix("pt")) * 96 / 72
    root.attrib.pop("height")
    root.attrib |= {"role": "img", "aria-label": title, "style": f"--width: {width:.0f}px"}
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return Markup(ET.tostring(root, encoding="unicode"))  # ElementTree has escaped every name in it


def _tidy(root: ET.Element, name: str) -> None:
    """Remove metadata, global styles and unused ids; prefix the other ids with the name."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = {id_ for element in root.iter() for value in element.attrib.values() for id_ in _ID.findall(value)}
    for element in root.iter():
        if element.attrib.get("id") not in used:
            element.attrib.pop("id", None)
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key == "style":
                element.set(key, value.replace(INK, "currentColor"))
            if key in ("clip-path", f"{{{_XLINK}}}href"):
                element.set(key, value.replace("#", f"#{name}-"))
