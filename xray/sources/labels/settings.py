"""The setting `labels` of a source: where the categories of photographs are written."""

from __future__ import annotations

from typing import Any, Literal

from xray.core.errors import ConfigError
from xray.core.plugins import settings


@settings
class Labels:
    """Where the categories of photographs are written, if not in the names of their folders.

    Args:
        file: path or URI of a file (COCO or Label Studio JSON, CVAT XML, CSV, TSV, lines such as `1.jpg red fox`), of
            several with `*`, or of a folder (Pascal VOC XML, labelme JSON, YOLO); also relative to the source's root.
        pattern: what file names say: `{label}_*` for `red_fox_001.jpg`; with a slash, paths below the root.
        image_column: column of a table with the images; None: found by its name.
        label_column: column of a table with the labels; None: found by its name.
        names: a file with the names of numbered labels (one per line from 0, `data.yaml`, `meta.mat`), or `imagenet1k`
            if they are class indices; None: found beside the labels.
        several: category of a photograph with objects of several: that of the `largest`, or `refuse` it.
    """

    file: str | None = None
    pattern: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    names: str | None = None
    several: Literal["largest", "refuse"] = "largest"

    def __post_init__(self) -> None:
        if (self.file is None) == (self.pattern is None):
            raise ConfigError("`labels` is a file or folder, or `{pattern: …}`, such as {label}_*")
        if self.pattern is not None and self.pattern.count("{label}") != 1:
            raise ConfigError(f"`pattern: {self.pattern}` needs one {{label}}, such as {{label}}_* for red_fox_001.jpg")


def labels_of(value: Any) -> Any:
    """Convert a file name to the settings of `labels`."""
    return Labels(file=value) if isinstance(value, str) else value
