"""A result in the terminal: readable, and foreign text stays text."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console
from rich.text import Text

from helpers.stores import make_check_run, quality_report
from io_intelligence_provider.quality.report_terminal import result_table
from io_intelligence_provider.quality.result import CheckResult

CHECKS = (
    CheckResult("in_range", "price", "row", "error", 9, 1, [{"value": "[red]-1[/]\x1b[2J", "why": None}]),
    CheckResult("quiet", "price", "row", "error", 9, 0),
    CheckResult("volume", None, "dataset", "warn", 1, 1, [{"value": 1, "usual": 9}]),
    CheckResult("null_share", None, "dataset", "warn", 0, 0, [{"message": "not evaluated: too early"}]),
    CheckResult("column_drift", None, "dataset", "warn", 1, 0),
)


def printed(result: object, **options: bool) -> str:
    out = StringIO()
    Console(file=out, width=140, force_terminal=False).print(result_table(result, **options))
    return out.getvalue()


def test_findings_and_checks_of_the_whole_are_shown():
    text = printed(make_check_run(*CHECKS))
    lines = [line.split() for line in text.splitlines()]
    assert [
        "in_range",
        "price",
        "failed",
        "1",
        "9",
        "value:",
        "[red]-1[/]\N{REPLACEMENT CHARACTER}[2J",
    ] in lines
    assert ["volume", "flagged", "1", "1", "value:", "1,", "usual:", "9"] in lines
    assert ["column_drift", "passed", "0", "1"] in lines
    assert "not evaluated: too early" in text
    assert "Data quality of s3://lake/orders/*.parquet: warned, score 0.500" in text
    assert "\n2 rows of 1 file = 1 valid + 1 quarantined" in text
    assert "\n check         column  result         failed  evaluated  example  " in text
    assert "\x1b" not in text
    assert "quiet" not in text
    assert "quiet" in printed(make_check_run(*CHECKS), every=True)
    long = CheckResult("in_range", "price", "row", "error", 9, 1, [{"value": "x" * 200}])
    cells = printed(make_check_run(long)).split()
    assert sum(cell.count("x") for cell in cells if set(cell) <= {"x", "…"}) == 113
    assert "(207" in cells


def test_the_report_of_a_snapshot_is_shown_alike():
    report = quality_report(CheckResult("not_empty", None, "snapshot", "error", 1, 0))
    text = printed(report)
    assert "Data quality of 2026-01-02: passed, score 1.000" in text
    assert "2 served = 2 valid + 0 quarantined" in text
    assert "not_empty" in text


EXPECTED = """\
Data quality of s3://lake/orders/*.parquet: warned, score 0.500

 chec  colu                                               examp
 k     mn    dimension  result         failed  evaluated  le
 ──────────────────────────────────────────────────────────────
 in_r  pric  validity   failed              1          9  value
 ange  e                                                  :
                                                          [red]
                                                          -1[/]
 a_ch  a_co             flagged         12345     100000  value
 eck_  lumn                                               :
 with  _wit                                               xxxxx
 _a_l  h_a_                                               xxxxx
 ong_  long                                               xxxxx
 name  _nam                                               xxxxx
 _of_  e
 its_
 own
 volu                   not evaluated       0          0
 me
 colu                   passed              0          1
 mn_d
 rift

2 rows of 1 file = 1 valid + 1 quarantined
"""


def test_a_narrow_table_folds_what_is_long_and_keeps_figures_and_words_in_one_piece():
    table = result_table(
        make_check_run(
            replace(CHECKS[0], dimension="validity", examples=[{"value": "[red]-1[/]"}]),
            CheckResult(
                "a_check_with_a_long_name_of_its_own",
                "a_column_with_a_long_name",
                "row",
                "warn",
                100_000,
                12_345,
                [{"value": "x" * 20}],
            ),
            CheckResult("volume", None, "dataset", "warn", 0, 0),
            CheckResult("column_drift", None, "dataset", "error", 1, 0),
        )
    )
    out = StringIO()
    Console(file=out, width=64, force_terminal=True, color_system="standard").print(table)
    assert [
        line.rstrip() for line in Text.from_ansi(out.getvalue()).plain.splitlines()
    ] == EXPECTED.splitlines()
    for style, word in (("1;31", "failed"), ("33", "flagged"), ("2", "not evaluated"), ("32", "passed")):
        assert f"\x1b[{style}m{word:13}\x1b[0m" in out.getvalue()
