"""A figure as SVG inside a page: the same bytes every time, ink in the page's colour, ids that do not clash."""

from __future__ import annotations

import io
import re
import warnings
from xml.etree import ElementTree as ET

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xray.report.figures import INK

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_ID = re.compile(r"#([A-Za-z_][\w.-]*)")


def inline_svg(axes: Axes, title: str, name: str) -> str:
    """The figure of `axes` as an `<svg>` element.

    Text stays text, in the page's font; what is drawn in `figures.INK` takes the colour of the text around it.

    Args:
        axes: of the figure.
        title: the alternative text.
        name: unique in the page; letters, digits, `-` and `_`.
    """
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}), warnings.catch_warnings():
        # The page's own fonts draw the text; that matplotlib's font has no such glyph only makes its place a guess.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None}, facecolor="none")
    root = ET.fromstring(drawn.getvalue())
    _tidy(root, name)
    width = float(root.attrib.pop("width").removesuffix("pt")) * 96 / 72
    root.attrib.pop("height")
    root.attrib |= {"role": "img", "aria-label": title, "style": f"--width: {width:.0f}px"}
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")


def _tidy(root: ET.Element, name: str) -> None:
    """Drop metadata, global styles and unused ids; make the other ids this figure's own."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = {found for element in root.iter() for value in element.attrib.values() for found in _ID.findall(value)}
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
