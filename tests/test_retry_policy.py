"""Tests which failures are retried and when: the policy alone, in Airflow, and without it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowNotFoundException

from helpers.airflow_runs import DAGS
from io_intelligence_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    PaginationError,
    QualityError,
    QuotaError,
    RateLimitError,
    ServerError,
    StorageError,
    TransportError,
)
from io_intelligence_provider.hooks.io_intelligence import MissingConnectionError

pytestmark = pytest.mark.airflow

retry_policy = pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="Airflow 3.2 has none")

RETRY, FAIL = retry_policy.RetryAction.RETRY, retry_policy.RetryAction.FAIL
SECRET = "iok-in-a-message"


def decide(error: Exception, try_number: int = 1, **arguments: timedelta) -> Any:
    from io_intelligence_provider.retry_policy import retry_arguments

    return retry_arguments(**arguments)["retry_policy"].evaluate(error, try_number, 4)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError(SECRET, status=401),
        AuthenticationError(SECRET, status=403),
        QuotaError(SECRET, status=402),
        ConfigurationError(SECRET),
        QualityError(SECRET, report=None),  # type: ignore[arg-type]
        MissingConnectionError(SECRET),
        AirflowNotFoundException(SECRET),
    ],
)
def test_what_waiting_cannot_help_fails_at_once(error: Exception) -> None:
    decision = decide(error)
    assert decision.action is FAIL
    assert type(error).__name__ in decision.reason
    assert SECRET not in decision.reason


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(0.0, 0.0), (17.5, 17.5), (86_400.0, 86_400.0), (86_401.0, 86_400.0)]
)
def test_a_rate_limit_waits_as_long_as_it_says(retry_after: float, seconds: float) -> None:
    decision = decide(RateLimitError(SECRET, retry_after=retry_after), try_number=3)
    assert decision.action is RETRY
    assert decision.retry_delay == timedelta(seconds=seconds)
    assert SECRET not in decision.reason


@pytest.mark.parametrize(
    "error",
    [
        ServerError("503", status=503),
        TransportError("reset"),
        PaginationError("moving"),
        StorageError("full"),
        RateLimitError("429", retry_after=None),
        ValueError("a bug"),
    ],
)
def test_the_rest_backs_off(error: Exception) -> None:
    waits = [decide(error, number).retry_delay for number in (1, 2, 3, 4, 5, 6, 1_000)]
    assert waits == [timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 60, 60, 60)]
    assert decide(error, 2, first=timedelta(1), longest=timedelta(9)).retry_delay == timedelta(2)


def test_it_survives_being_written_down() -> None:
    from io_intelligence_provider.retry_policy import IOIntelligenceRetryPolicy

    policy = IOIntelligenceRetryPolicy(timedelta(seconds=7), timedelta(minutes=3))
    again = IOIntelligenceRetryPolicy.deserialize(policy.serialize())
    assert (again.first, again.longest) == (policy.first, policy.longest)


def raising(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


@pytest.mark.parametrize(
    ("error", "state"),
    [(QuotaError("402", status=402), "failed"), (ServerError("503", status=503), "up_for_retry")],
)
def test_a_real_task_obeys_it(error: Exception, state: str, run_dag: Callable[..., Any]) -> None:
    from airflow.sdk import DAG, task

    from io_intelligence_provider.retry_policy import retry_arguments

    first = timedelta(milliseconds=10)
    with DAG(
        f"retry_policy_{state}",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        default_args={**retry_arguments(first, first), "retries": 2, "retry_delay": timedelta(hours=1)},
    ) as dag:
        task(task_id="step")(raising(error))()
    run = run_dag(dag)
    (instance,) = run.get_task_instances()
    assert run.state == "failed"
    # dag.test() runs what is up for retry again at once: the tries tell how the policy decided.
    assert instance.try_number == (1 if state == "failed" else 3)


@pytest.mark.parametrize("module", ["airflow.sdk.definitions.retry_policy"])
def test_without_the_module_nothing_is_missing(module: str) -> None:
    script = (
        "import sys\n"
        f"sys.modules[{module!r}] = None\n"
        "from io_intelligence_provider.retry_policy import SUPPORTED, retry_arguments\n"
        "import runpy\n"
        f"runpy.run_path({str(DAGS / 'io_intelligence_daily_pricing.py')!r})\n"
        "print(SUPPORTED, retry_arguments())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "False {}"
