"""Tests what people receive over three midnights of the sample Dags, with real prices and a given clock.

Each Dag run is one of ``dag.test``; time-machine sets the clock of this process. One night is bad: the API
serves four prices that are no numbers, so the checks stop the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from airflow.sdk import BaseNotifier

from helpers.airflow_runs import load_dag
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.changes.watch import poll
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.history import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.notifications.failure import IOIntelligenceFailureNotifier

pytestmark = pytest.mark.long

DAYS = [date(2026, 6, day) for day in (23, 24, 25, 26)]
DAILY, WATCHDOG = "io_intelligence_daily_pricing", "io_intelligence_watchdog"
ON_CHANGE = "io_intelligence_on_change"


class Recorder(BaseNotifier):
    """Records what it was sent as plain text."""

    template_fields = ("text",)

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self.text = "{{ io_intelligence.text }}"
        self.heard = heard

    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow gives it
        self.heard.append(self.text)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=PriceHistory.load()) as server:
        connection = {"conn_type": "io_intelligence", "host": server.url}
        monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
        yield server


@pytest.fixture
def received(run_dag: Callable[..., Any], root: Path) -> Callable[[str, datetime], list[str]]:
    """Return a function that runs a Dag at a time and returns the messages that were sent."""

    def run(dag_id: str, now: datetime) -> list[str]:
        heard: list[str] = []
        dag = load_dag(dag_id)
        for task in dag.tasks:
            task.retries = 0
            task.on_failure_callback = [IOIntelligenceFailureNotifier([Recorder(heard)])]
            if hasattr(task, "notifiers"):
                task.notifiers = [Recorder(heard)]
        with time_machine.travel(now, tick=True):
            run_dag(dag, run_after=now)
        return heard

    return run


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 0, 0, 5, tzinfo=UTC)


def quarter_past_six(day: date) -> datetime:
    return midnight(day) + timedelta(hours=6, minutes=15)


DIGEST = """\
meta-llama/Llama-3.3-70B-Instruct +20.21 %, and 2 more price changes on 2026-06-24

prices that moved by 10 % or more (3 changes, since 2026-06-23)
- meta-llama/Llama-3.3-70B-Instruct  output 0.864 → 1.0386 (+20.21 %)
- openai/gpt-oss-20b  output 0.246 → 0.216 (-12.2 %)
- moonshotai/Kimi-K2.5  output 2.67 → 2.375 (-11.05 %)

Prices are in USD per 1M tokens.

Data quality: passed
- Quarantine: none
- Models: 26
"""

STOPPED = """\
IO Intelligence: quarantine_share stopped the snapshot of 2026-06-25

Stopped by
- quarantine_share  share: 0.15384615384615385, max_quarantine_share: 0.1

Why 4 of 26 were refused
- input_token_price price  4 of 26, for example model_id: 3d4767e2-da58-514b-aed9-28e088dcf8d9, name: \
Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar, value: free, …

The snapshot of 2026-06-24 stays in force.

Look at the results of the checks and at the refused records. If the data are wrong, nothing is to be \
done: the next run tries again. If they are right, change the limit of the check (max_quarantine_share, \
fail_on) and clear the task on the same day (UTC).

Dag io_intelligence_daily_pricing, task snapshot, run manual__2026-06-25T00:00:05+00:00.
"""

OVERDUE = """\
IO Intelligence: No snapshot was committed for 30 hours

No snapshot was committed for 30 hours. The latest is of 2026-06-24, read from the API at 2026-06-24 \
00:00 UTC.

The run of 2026-06-25 was stopped by its checks. At 2026-06-25 00:00 UTC failed: quarantine_share (1 of \
1: share: 0.15384615384615385, max_quarantine_share: 0.1). 4 of 26 records were refused: \
input_token_price price (4).

The snapshot of 2026-06-24 stays in force.

Dag io_intelligence_watchdog, task fresh_snapshot, run manual__2026-06-25T06:15:05+00:00.
"""

DIGEST_OF_TWO_DAYS = """\
zai-org/GLM-5.2 +36.93 %, and 14 more price changes on 2026-06-26

prices that moved by 10 % or more (15 changes)
- zai-org/GLM-5.2  output 4.36 → 5.97 (+36.93 %), cache read 0.67 → 0.909 (+35.67 %), input 1.34 → 1.818 \
(+35.67 %), since 2026-06-23
- MiniMaxAI/MiniMax-M2.5  cache read 0.169 → 0.1275 (-24.56 %), input 0.338 → 0.255 (-24.56 %), output \
1.378 → 1.13 (-18 %), since 2026-06-23
- openai/gpt-oss-120b  output 0.562 → 0.68 (+21 %), since 2026-06-23
- Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar  cache read 0.2785 → 0.2225 (-20.11 %), input 0.557 \
→ 0.445 (-20.11 %), output 2.545 → 2.145 (-15.72 %), since 2026-06-23
- moonshotai/Kimi-K2.5  output 2.375 → 2.72 (+14.53 %), since 2026-06-24
- MiniMaxAI/MiniMax-M2.7  cache read 0.33 → 0.373 (+13.03 %), input 0.66 → 0.746 (+13.03 %), since \
2026-06-23
- openai/gpt-oss-20b  cache read 0.0285 → 0.0255 (-10.53 %), input 0.057 → 0.051 (-10.53 %), since \
2026-06-23

Prices are in USD per 1M tokens.

Data quality: passed
- Quarantine: none
- Models: 26
"""


CORRECTION = """\
Correction: Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar +25.17 %, and 13 more price changes on \
2026-06-26

prices that moved by 10 % or more (14 changes)
- Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar  cache read 0.2225 → 0.2785 (+25.17 %, correction), \
input 0.445 → 0.557 (+25.17 %, correction), output 2.145 → 2.545 (+18.65 %, correction)
- openai/gpt-oss-120b  output 0.68 → 0.562 (-17.35 %, correction)
- MiniMaxAI/MiniMax-M2.7  cache read 0.373 → 0.403 (+8.04 %, correction), input 0.746 → 0.806 (+8.04 %, \
correction)
- MiniMaxAI/MiniMax-M2.5  cache read 0.1275 → 0.12 (-5.88 %, correction), input 0.255 → 0.24 (-5.88 %, \
correction), output 1.13 → 1.18 (+4.42 %, correction)
- openai/gpt-oss-20b  cache read 0.0255 → 0.0265 (+3.92 %, correction), input 0.051 → 0.053 (+3.92 %, \
correction)
- moonshotai/Kimi-K2.5  output 2.72 → 2.67 (-1.84 %, correction)
- zai-org/GLM-5.2  cache read 0.909 → 0.91 (+0.11 %, correction), input 1.818 → 1.82 (+0.11 %, correction)

Prices are in USD per 1M tokens.

Data quality: passed
- Quarantine: none
- Models: 26
"""


def test_three_midnights(
    server: EmulatorServer, received: Callable[[str, datetime], list[str]], root: Path
) -> None:
    """The good night has a digest, the bad one a reason and a reminder, the next one all that moved since.

    A move at noon is a correction.
    """
    first, good, bad, again = DAYS
    server.set_as_of(first)
    with IOIntelligenceClient(server.url) as client, time_machine.travel(midnight(first)):
        take_snapshot(client, SnapshotStore(root), snapshot_date=first)

    server.set_as_of(good)
    assert received(DAILY, midnight(good)) == [DIGEST]
    assert received(WATCHDOG, quarter_past_six(good)) == []

    history = server.state.catalogue
    records = [json.loads(record.body) for record in history.rendered(bad, "documented")]
    for record in records[:4]:
        record["metadata"]["input_token_price"] = "free"
    server.state.catalogue = FixedCatalogue(records)
    assert received(DAILY, midnight(bad)) == [STOPPED]
    assert received(WATCHDOG, quarter_past_six(bad)) == [OVERDUE]

    server.state.catalogue = history
    server.set_as_of(again)
    assert received(DAILY, midnight(again)) == [DIGEST_OF_TWO_DAYS]
    assert received(ON_CHANGE, midnight(again)) == []  # prices moved, no quota did
    assert received(WATCHDOG, quarter_past_six(again)) == []

    server.set_as_of(date(2026, 6, 29))  # prices move by day: the watcher starts the daily Dag
    noon = midnight(again) + timedelta(hours=12)
    with IOIntelligenceClient(server.url) as client, time_machine.travel(noon):
        sighting = poll(client, SnapshotStore(root))
    assert sighting is not None
    assert sighting.moved == ("prices",)
    assert received(DAILY, noon) == [CORRECTION]
    with IOIntelligenceClient(server.url) as client, time_machine.travel(noon + timedelta(minutes=15)):
        assert poll(client, SnapshotStore(root)) is None
