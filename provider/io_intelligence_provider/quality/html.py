"""The report as one HTML page: self-contained, no script, light and dark, fit for print."""

from __future__ import annotations

from io_intelligence_provider.quality.report import QualityReport

__all__ = ["report_html"]


def report_html(report: QualityReport) -> str:
    """Render the report. Everything in it comes from outside, so jinja2 escapes all of it."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("io_intelligence_provider.quality", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(report=report)
