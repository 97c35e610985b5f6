"""What a run found, as one HTML file."""

from xray.report.page import build_report, write_report

__all__ = ["build_report", "write_report"]
