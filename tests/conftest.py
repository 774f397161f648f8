"""Which tests run: marks by folder, and what only runs when it is asked for. Fixtures are in ``helpers/``."""

from __future__ import annotations

import hypothesis
import pytest

pytest.register_assert_rewrite("helpers")
pytest_plugins = [
    "helpers.surroundings",  # first: it sets the environment up
    "helpers.fixtures",
    "helpers.airflow_runs",
    "helpers.observed_run",
    "helpers.receivers",
]

# How long one example takes, or the drawing of it, says how busy the machine is.
_ANY_PACE = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("any machine", **_ANY_PACE)
hypothesis.settings.load_profile("any machine")

_BY_REQUEST = {
    "soak": "takes long, to find what happens seldom or at a size; `make soak` runs it",
    "browser": "the page in Chromium; `make test-browser` runs it",
    "standalone": "starts a whole Airflow; `make test-standalone` runs it",
    "spark": "needs PySpark and Java; `make test-spark` runs it",
}
_AIRFLOW = {"airflow", "hooks", "operators", "triggers", "notifications"}
_LONG = {
    "test_access.py",
    "test_notebooks.py",
    "test_killed_writer.py",
    "test_s3.py",
    "test_diff_replay.py",
    "test_months.py",
    "test_damaged_files.py",
    "test_in_airflow.py",
    "test_plugin.py",
    "test_hostile.py",
    "test_http.py",
    "test_quality.py",
    "test_mixed_files.py",
    "test_hostile_ids.py",
    "test_records_properties.py",
    "test_without_pandas.py",
}
"""Files of more than twenty seconds, marked ``long``. They come first: one that begins last would keep a
single core busy at the end."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "airflow: needs a real Airflow: its database, its Dag runs, its server"
    )
    config.addinivalue_line("markers", "long: of one of the files that take longest")
    for name, meaning in _BY_REQUEST.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs Airflow; leave out what takes minutes, or needs more, unless its mark asks for it."""
    for item in items:
        if item.path.parent.name in _AIRFLOW or "airflow_db" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.airflow)
        if item.path.name in _LONG:
            item.add_marker(pytest.mark.long)
    left_out = [name for name in _BY_REQUEST if name not in config.option.markexpr]
    slow = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    items.sort(key=lambda item: item.path.name not in _LONG)
