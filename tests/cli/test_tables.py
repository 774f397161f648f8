"""The tables of `show` and `changes` at the widths of real terminals."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli import main
from io_intelligence_provider.cli.tables import (
    BLOCKS,
    FittedTable,
    Trends,
    changes_table,
    models_table,
    price,
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


def drawn(table: FittedTable, width: int, **options: Any) -> str:
    """Return what a console prints to a file."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, **options).print(table)
    return out.getvalue()


@pytest.mark.parametrize("width", WIDTHS[1:])
@pytest.mark.parametrize("command", ["show", "changes"])
def test_no_line_is_wider_than_the_terminal(
    command: str, width: int, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert max(len(line) for line in printed(root, width, capsys, command)) <= width


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
    assert "+195.45" in drawn(changes_table([row], "t"), width)


@pytest.mark.parametrize(
    ("width", "cells", "gone"),
    [
        (60, 0, ["context", "cache write", "status", "cache read", "output 30 days"]),
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
    assert sum(row.count(char) for char in f"{BLOCKS}·") == cells
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
    assert "inactive" in drawn(models_table(rows, "t"), 60)


def test_without_history_there_is_no_column(root: Path) -> None:
    store = SnapshotStore(root)
    rows = [row | {"output_token_price": None} for row in store.read().to_pylist()]
    nobody = [row | {"name": f"new/{row['name']}"} for row in rows]
    trends = Trends(store, store.dates()[-1], ["output_token_price"])
    for table in (models_table(nobody, "t", trends), models_table(rows, "t"), changes_table([], "t")):
        assert "30 days" not in drawn(table, 200)


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
    table = models_table(store.read().to_pylist(), "t", Trends(store, day, ["output_token_price"]))
    assert "\x1b[36m" in drawn(table, 160, force_terminal=True, color_system="standard")
    assert "\x1b" not in drawn(table, 160)
