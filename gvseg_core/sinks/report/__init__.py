"""The report of an evaluation, for people: one HTML file."""

from __future__ import annotations

from gvseg_core.sinks.report.page import ReportPage, write_report
from gvseg_core.sinks.report.scenes import Scene

__all__ = ["ReportPage", "Scene", "write_report"]
