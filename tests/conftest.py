"""Selects tests: marks by folder, and skips what runs only on request. Fixtures are in ``helpers/``."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

pytest.register_assert_rewrite("helpers")
pytest_plugins = [
    "helpers.surroundings",  # first, because it sets up the environment
    "helpers.fixtures",
    "helpers.airflow_runs",
    "helpers.observed_run",
    "helpers.receivers",
]

# The time for an example, or for drawing one, depends on how busy the machine is.
_ANY_PACE = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("any machine", **_ANY_PACE)
hypothesis.settings.register_profile("few", max_examples=20, **_ANY_PACE)  # for `make mutation`
hypothesis.settings.load_profile("any machine")

_BY_REQUEST = {
    "soak": "takes long, to find what happens seldom or at a size; `make soak` runs it",
    "browser": "the page in Chromium; `make test-browser` runs it",
    "standalone": "starts a whole Airflow; `make test-standalone` runs it",
    "spark": "needs PySpark and Java; `make test-spark` runs it",
    "midnights": "starts a whole Airflow on a faked clock; `make test-midnights` runs it",
    "exports": "needs what reads our files in an environment of its own; `make test-exports` runs it",
}
_AIRFLOW = {"airflow", "hooks", "operators", "triggers", "notifications"}
"""Folders in which every test needs a real Airflow."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "airflow: needs a real Airflow: its database, its Dag runs, its server"
    )
    config.addinivalue_line(
        "markers", "long: not for the inner loop; `make test` runs it, and whoever names its file"
    )
    for name, meaning in _BY_REQUEST.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return 0, for this process alone, when the command line names files or tests."""
    return 0 if _named(config) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that need Airflow, and deselect long and special ones unless requested."""
    for item in items:
        if item.path.parent.name in _AIRFLOW or "airflow_db" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.airflow)
    named = _named(config)
    left_out = [item for item in items if not _is_asked_for(item, config.option.markexpr, named)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    # Long files run first: started last, one would keep a single core busy at the end.
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


def _named(config: pytest.Config) -> set[Path]:
    """Return the files that the command line names, directly or by a test."""
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return {path.resolve() for path in paths if path.is_file()}


def _is_asked_for(item: pytest.Item, expression: str, named: set[Path]) -> bool:
    by_request = [name for name in _BY_REQUEST if item.get_closest_marker(name)]
    if by_request:
        return all(name in expression for name in by_request)
    return "long" in expression or item.path in named or not item.get_closest_marker("long")
