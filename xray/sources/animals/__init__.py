"""The sample `animals`: real photographs from a Debian package, and masks made by hand."""

from xray.sources.animals.source import Animals as Animals
