"""Sparklines: what one line of text says about the last days of a price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli import main
from io_intelligence_provider.cli.tables import BLOCKS, Trends, sparkline, squeeze

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
    assert sparkline(numbers(values), ascii_only=True) == plain


@given(st.lists(prices, max_size=60))
def test_a_higher_price_is_never_drawn_lower(values: Sequence[Decimal | None]) -> None:
    line = sparkline(values)
    if all(value is None for value in values):
        assert line == ""
        return
    assert len(line) == len(values)
    drawn = sorted(
        (value, BLOCKS.index(char)) for value, char in zip(values, line, strict=True) if value is not None
    )
    levels = [level for _, level in drawn]
    assert levels == sorted(levels)
    assert [char == "·" for char in line] == [value is None for value in values]


@given(st.lists(prices, min_size=1, max_size=60), st.integers(1, 40))
def test_squeezing_keeps_the_end_and_invents_nothing(values: Sequence[Decimal | None], cells: int) -> None:
    short = squeeze(values, cells)
    assert len(short) <= max(cells, 1)
    assert short[-1] == values[-1]
    assert set(short) <= {*values, None}
    if len(values) <= cells:
        assert short == list(values)


@pytest.mark.parametrize("day", range(28))
def test_a_move_of_one_day_survives_squeezing(day: int) -> None:
    values = [Decimal(1)] * 30
    values[day] = Decimal(0)
    assert Decimal(0) in squeeze(values, 15)


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
