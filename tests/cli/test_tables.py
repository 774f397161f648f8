"""Tests tables at the widths of real terminals, and their sparklines."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli import main
from io_intelligence_provider.cli.tables import (
    _BLOCKS,
    Trends,
    _ascii,
    changes_table,
    models_table,
    price,
    sparkline,
)

WIDTHS = (50, 60, 80, 100, 110, 120, 160, 200)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tables") / "store"
    assert main(["replay", "--root", str(root), "--start", "2026-06-16", "--json"]) == 0
    return root


def printed(root: Path, width: int, capsys: pytest.CaptureFixture[str], *command: str) -> list[str]:
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        assert main([*command, "--root", str(root)]) == 0
    return capsys.readouterr().out.splitlines()


def drawn(width: int, make: Callable[..., Table], *content: Any, **options: Any) -> str:
    """Return what a console prints to a file."""
    out = io.StringIO()
    console = Console(file=out, width=width, **options)
    console.print(make(console, *content))
    return out.getvalue()


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS[1:])
@pytest.mark.parametrize("command", ["show", "changes"])
def test_no_line_is_wider_than_the_terminal(
    command: str, width: int, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert max(len(line) for line in printed(root, width, capsys, command)) <= width


@pytest.mark.long
@pytest.mark.parametrize("width", WIDTHS[1:])
def test_input_and_output_prices_are_whole_at_any_width(
    width: int, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(printed(root, width, capsys, "show")).split()
    for row in SnapshotStore(root).read().to_pylist():
        assert price(row["input_token_price"]) in words
        assert price(row["output_token_price"]) in words


@pytest.mark.parametrize("width", WIDTHS)
def test_percentages_are_whole_at_any_width(width: int) -> None:
    row = {
        "model_id": "x", "name": "maker/a-model-with-a-name-that-is-folded-anyway", "change": "price_changed",
        "field": "cache_read_token_price", "old_value": "0.11", "new_value": "0.325", "pct": 195.45,
    }  # fmt: skip
    assert "+195.45" in drawn(width, changes_table, [row], "t")


@pytest.mark.parametrize(
    ("width", "cells", "gone"),
    [
        (60, 0, ["context", "cache write", "status", "cache read", "output 15 days"]),
        (80, 15, ["context", "cache write", "status"]),
        (110, 15, []),
        (160, 30, []),
    ],
)
def test_what_is_too_wide_goes_by_rule_and_is_named(
    width: int, cells: int, gone: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(root, width, capsys, "show")
    (row,) = (line for line in lines if "moonshotai/Kimi-K2.6" in line)
    assert sum(row.count(char) for char in f"{_BLOCKS}·") == cells
    caption = " ".join(" ".join(lines).partition("prices in USD")[2].split())
    assert caption == "per 1M tokens" + (f"; too narrow for: {', '.join(gone)}" if gone else "")


def test_changes_draw_the_price_that_changed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(root, 160, capsys, "changes", "--date", "2026-06-17")
    (row,) = (line for line in lines if "moonshotai/Kimi-K2.6" in line and " output " in line)
    # The store begins on the day before: 28 days are unknown, then one move.
    assert row.rstrip().endswith("·" * 28 + ("▁█" if "+" in row else "█▁"))


def test_a_status_that_tells_models_apart_stays(root: Path) -> None:
    rows = SnapshotStore(root).read().to_pylist()
    rows[0]["status"] = "inactive"
    assert "inactive" in drawn(60, models_table, rows, "t")


def test_without_history_there_is_no_column(root: Path) -> None:
    store = SnapshotStore(root)
    rows = [row | {"output_token_price": None} for row in store.read().to_pylist()]
    nobody = [row | {"name": f"new/{row['name']}"} for row in rows]
    trends = Trends(store, store.dates()[-1], ["output_token_price"])
    for made in ((models_table, nobody, "t", trends), (models_table, rows, "t"), (changes_table, [], "t")):
        assert "30 days" not in drawn(200, *made)


@pytest.mark.parametrize("field", ["name", "model_id"])
def test_a_model_that_was_renamed_has_no_trend_beside_one_whose_price_moved(field: str, root: Path) -> None:
    store = SnapshotStore(root)
    model = store.read().to_pylist()[0]
    moved = {"model_id": model["model_id"], "name": model["name"], "old_value": "1", "new_value": "2"}
    rows = [
        moved | {"change": "price_changed", "field": "output_token_price", "pct": 100.0},
        moved | {"change": "attribute_changed", "field": field, "pct": None},
    ]
    trends = Trends(store, store.dates()[-1], ["output_token_price"])
    shown = drawn(200, changes_table, rows, "t", trends).splitlines()
    assert [bool(set(line) & set("▁▂▃▄▅▆▇█")) for line in shown if model["name"][:10] in line] == [
        True,
        False,
    ]


@pytest.mark.long
@pytest.mark.parametrize("command", ["show", "changes"])
def test_an_output_that_knows_ascii_only_gets_ascii(command: str, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from io_intelligence_provider.cli import main; import sys; sys.exit(main())",
         command, "--root", str(root)],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "160"}, capture_output=True, check=True,
    )  # fmt: skip
    text = done.stdout.decode("ascii")
    assert "\x1b" not in text
    assert "?" not in text
    assert "30 days" in text


def test_colour_is_for_terminals(root: Path) -> None:
    store = SnapshotStore(root)
    day = store.dates()[-1]
    made = models_table, store.read().to_pylist(), "t", Trends(store, day, ["output_token_price"])
    assert "\x1b[36m" in drawn(160, *made, force_terminal=True, color_system="standard")
    assert "\x1b" not in drawn(160, *made)


GLITCH = date(2026, 5, 26)

prices = st.none() | st.decimals(0, 1000, places=5)


def numbers(text: str) -> list[Decimal | None]:
    return [None if part == "-" else Decimal(part) for part in text.split()]


@pytest.mark.parametrize(
    ("values", "line", "plain"),
    [
        ("1 2 3 4 5 6 7 8", "▁▂▃▄▅▆▇█", "_.:-=+*#"),
        ("0 10", "▁█", "_#"),
        ("- 1 - 2", "·▁·█", " _ #"),
        ("0.3 0.3 0.3", "▄▄▄", "---"),
        ("0 0", "▄▄", "--"),
        ("- 5 -", "·▄·", " - "),
        ("- -", "", ""),
        ("", "", ""),
    ],
)
def test_a_line_has_a_scale_of_its_own_and_gaps(values: str, line: str, plain: str) -> None:
    assert sparkline(numbers(values)) == line
    assert _ascii(sparkline(numbers(values))) == plain


@given(st.lists(prices, max_size=60))
def test_a_higher_price_is_never_drawn_lower(values: Sequence[Decimal | None]) -> None:
    line = sparkline(values)
    if all(value is None for value in values):
        assert line == ""
        return
    assert len(line) == len(values)
    drawn = sorted(
        (value, _BLOCKS.index(char)) for value, char in zip(values, line, strict=True) if value is not None
    )
    levels = [level for _, level in drawn]
    assert levels == sorted(levels)
    assert [char == "·" for char in line] == [value is None for value in values]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SnapshotStore:
    root = tmp_path_factory.mktemp("sparkline") / "store"
    command = ["replay", "--root", str(root), "--start", "2026-05-18", "--end", "2026-05-29", "--json"]
    assert main(command) == 0
    return SnapshotStore(root)


def trend(store: SnapshotStore, name: str, days: int, last: date = GLITCH + timedelta(days=3)) -> list[str]:
    values = Trends(store, last, ["output_token_price"], days).of("", name, "output_token_price")
    return ["-" if value is None else f"{float(value):g}" for value in values]


def test_days_are_days_and_a_price_holds_in_between(store: SnapshotStore) -> None:
    # 19, 23 and 24 May have no snapshot; GLM-4.5-Air came on the 25th and read 0 on the 26th.
    assert trend(store, "zai-org/GLM-4.5-Air", 6)[1:4] == ["0.85", "0", "0.93667"]
    assert trend(store, "zai-org/GLM-4.5-Air", 6)[0] == "-"
    kimi = trend(store, "moonshotai/Kimi-K2-Thinking", 12)
    assert kimi == ["0.48"] * 2 + ["2.5"] * 10


def test_the_snapshot_before_the_window_holds_into_it(store: SnapshotStore) -> None:
    assert trend(store, "moonshotai/Kimi-K2-Thinking", 1, date(2026, 5, 19)) == ["0.48"]
    assert trend(store, "moonshotai/Kimi-K2-Thinking", 3, date(2026, 5, 19)) == ["-", "0.48", "0.48"]


@pytest.mark.long
def test_what_is_not_on_file_is_unknown(store: SnapshotStore) -> None:
    assert trend(store, "nobody/nothing", 4) == ["-"] * 4


def test_a_trend_ends_on_the_day_that_is_shown(store: SnapshotStore) -> None:
    assert trend(store, "zai-org/GLM-4.5-Air", 2, GLITCH) == ["0.85", "0"]


def test_two_models_of_one_name_are_told_apart_by_id(tmp_path: Path) -> None:
    import pyarrow as pa

    day = date(2026, 6, 30)

    class Shared(SnapshotStore):
        def dates(self) -> list[date]:
            return [day]

        def history(self, *_: object, **__: object) -> pa.Table:
            return pa.table(
                {
                    "snapshot_date": [day] * 3,
                    "model_id": ["a", "b", "c"],
                    "name": ["x", "x", "y"],
                    "n": [1, 2, 3],
                }
            )

    trends = Trends(Shared(tmp_path), day, ["n"], 1)
    assert [trends.of("a", "x", "n"), trends.of("b", "x", "n")] == [[1], [2]]
    assert trends.of("an id of the other wire shape", "y", "n") == [3]
