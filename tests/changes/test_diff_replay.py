"""Replays changes onto the old rows, and compares the real history with a simple implementation."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.stores import StoreBuilder, model_row
from io_intelligence_provider.changes.detect import compare_days, detect_changes
from io_intelligence_provider.changes.kinds import FIELDS
from io_intelligence_provider.contract.columns import COLUMNS, Kind
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.store.store import SnapshotStore

pytestmark = pytest.mark.long

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES = {
    Kind.STRING: TEXT,
    Kind.JSON_TEXT: TEXT,
    Kind.INTEGER: st.integers(0, 2**63 - 1) | st.integers(0, 2),
    Kind.BOOLEAN: st.booleans(),
    Kind.STRING_LIST: st.lists(TEXT, max_size=2),
    Kind.PRICE: st.decimals(0, 10**20 - 1, places=18).map(str) | st.sampled_from(["0", "1", "1.10"]),
    Kind.TIMESTAMP: st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
}
READ = {
    Kind.INTEGER: int,
    Kind.BOOLEAN: {"true": True, "false": False}.__getitem__,
    Kind.STRING_LIST: json.loads,
    Kind.PRICE: Decimal,
    Kind.TIMESTAMP: datetime.fromisoformat,
}
KINDS = {column.name: column.kind for column in COLUMNS}
ROW = st.fixed_dictionaries(
    {},
    optional={
        name: st.none() | VALUES[KINDS[name]] for name in FIELDS if name not in ("model_id", "name", "extra")
    },
)
CATALOGUE = st.dictionaries(st.sampled_from("abcd"), ROW, max_size=4)


@given(old=CATALOGUE, new=CATALOGUE)
@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_replaying_the_changes_gives_the_new_rows(tmp_path, old, new):
    builder = StoreBuilder(tmp_path / secrets.token_hex(4))
    for when, rows in ((1, old), (2, new)):
        builder.file(when, *(model_row(name, **row) for name, row in rows.items()))
    before, after = (
        {row["name"]: row for row in builder.store.read(when).to_pylist()} for when in builder.store.dates()
    )
    for change in compare_days(builder.store).changes.to_pylist():
        name, field = change["name"], change["field"]
        if change["change"] == "model_added":
            before[name] = dict(after[name])
        elif change["change"] == "model_removed":
            del before[name]
        else:
            read = READ.get(KINDS[field], str)
            values = [
                None if text is None else read(text) for text in (change["old_value"], change["new_value"])
            ]
            assert before[name][field] == values[0]
            assert values[0] != values[1]
            before[name][field] = values[1]
    for row in (*before.values(), *after.values()):
        row.pop("updated_at"), row.pop("fetched_at")
    assert before == after


class ReplayedHistory:
    """The whole real history through client, checks and store, its changes filed day by day."""

    def __init__(self, root, shapes, last):
        from io_intelligence_provider.catalog.client import IOIntelligenceClient
        from io_intelligence_provider.snapshot import take_snapshot

        self.history = PriceHistory(PriceHistory.load().states[-last:])
        self.store = SnapshotStore(root)
        self.summaries = []
        with EmulatorServer(catalogue=self.history) as server, IOIntelligenceClient(server.url) as client:
            for number, when in enumerate(self.history.dates):
                server.state.shape = shapes(number)
                server.set_as_of(when)
                take_snapshot(client, self.store, snapshot_date=when)
                self.summaries.append(detect_changes(self.store))


def plain(text: str | None) -> str | None:
    return None if text is None else format(Decimal(text).normalize(), "f")


def reckoned(history: PriceHistory) -> set[tuple]:
    """Say what changed, straight from the recorded entries, without any of the code under test."""
    found = set()
    prices = [f"{kind}_token_price" for kind in ("input", "output", "cache_read", "cache_write")]
    for before, after in zip(history.states, history.states[1:], strict=False):
        old, new = ({entry.id: entry for entry in state.models} for state in (before, after))
        head = (after.date, before.date)
        found |= {(*head, name, "model_removed", None, None, None, None) for name in old.keys() - new.keys()}
        found |= {(*head, name, "model_added", None, None, None, None) for name in new.keys() - old.keys()}
        for name in old.keys() & new.keys():
            for field in prices:
                was, now = plain(getattr(old[name], field)), plain(getattr(new[name], field))
                if was != now:
                    known = was is not None and now is not None and Fraction(was) != 0
                    pct = float((Fraction(now) / Fraction(was) - 1) * 100) if known else None
                    found.add((*head, name, "price_changed", field, was, now, pct))
            was, now = old[name].context_window, new[name].context_window
            if was != now:
                texts = [None if value is None else str(value) for value in (was, now)]
                pct = float((Fraction(now) / Fraction(was) - 1) * 100) if was and now is not None else None
                found.add((*head, name, "limit_changed", "context_window", *texts, pct))
    return found


@pytest.mark.parametrize(
    ("shape", "last"), [pytest.param("documented", 64, marks=pytest.mark.soak), ("both", 28)]
)
def test_the_real_history(tmp_path, shape, last):
    shapes = {
        "documented": lambda _: "documented",
        "both": lambda number: ("documented", "documented", "openai", "openai")[number % 4],
    }[shape]
    replayed = ReplayedHistory(tmp_path, shapes, last)
    found = replayed.store.changes().to_pylist()
    keys = ("snapshot_date", "previous_date", "name", "change", "field", "old_value", "new_value", "pct")
    main = [tuple(row[key] for key in keys) for row in found if row["change"] != "attribute_changed"]
    assert len(main) == len(set(main))
    assert set(main) == reckoned(replayed.history)
    others = {row["field"] for row in found if row["change"] == "attribute_changed"}
    # The emulated records of the two shapes do not say the same of precision and prompt cache.
    between = {"precision", "supports_prompt_cache"} if shape == "both" else set()
    assert (
        others <= {"short_description", "supports_images_input", "display_name", "input_modalities"} | between
    )
    assert [summary.previous_date for summary in replayed.summaries] == [None, *replayed.history.dates[:-1]]
    assert sum(sum(summary.counts.values()) for summary in replayed.summaries) == len(found)
    assert len(replayed.history.states) == last
    assert date(2026, 6, 30) in {row["snapshot_date"] for row in found}
