"""What a run found, as figures and as one HTML file."""

from xray.report.figures import accuracy_heatmap, category_heatmap, drop_intervals
from xray.report.html import build_report, write_report

__all__ = ["accuracy_heatmap", "build_report", "category_heatmap", "drop_intervals", "write_report"]
