"""A result as one HTML page: self-contained, no script, light and dark, fit for print."""

from __future__ import annotations

from functools import cache

import jinja2

from io_intelligence_provider.quality.html_view import view_of
from io_intelligence_provider.quality.report import QualityReport
from io_intelligence_provider.quality.result import CheckRun

__all__ = ["report_html"]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("io_intelligence_provider.quality", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def report_html(result: QualityReport | CheckRun) -> str:
    """Render a result, below 200 KB whatever was found: what does not fit is counted, the JSON form has it.

    Everything in it comes from outside, so jinja2 escapes all of it.
    """
    return _template().render(view=view_of(result))
