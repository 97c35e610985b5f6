"""The HTML report of a run, its figures, and written regressions."""

from xray.report.page import build_report, write_report

__all__ = ["build_report", "write_report"]
