"""Runs the whole test suite on the corners of the versions that pyproject.toml allows.

``nox`` runs every session and records what it saw in docs/versions.json; ``nox --list`` lists the sessions,
``nox --session "newest-3.13" -- -k watcher`` passes arguments to pytest. Each session installs its own
environment and takes ten to fifteen minutes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "no"

EVERY = ["-m", "long or not long"]
PYTHONS = ["3.11", "3.12", "3.13"]
# Airflow 3.3 declares this bound. Airflow 3.2 does not, and its API does not answer with a newer FastAPI.
FASTAPI = "fastapi<0.137"
LOWEST_AIRFLOW = ["apache-airflow==3.2.2", FASTAPI]
SHOWN = ["apache-airflow", "pandera", "polars", "pyarrow", "requests"]
RESULTS = Path("docs/versions.json")


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Test the versions of constraints.txt, the newest that fit together."""
    _install(session, "--constraint", "constraints.txt")
    _test(session)


@nox.session(python=["3.11", "3.13"])
def lowest(session: nox.Session) -> None:
    """Test the lowest allowed version of every direct dependency that has files for this Python."""
    _install(session, "--resolution", "lowest-direct", FASTAPI)
    # Airflow 3.2.2 and libraries of its time raise deprecation warnings of each other.
    _test(session, "-W", "default")


@nox.session(python="3.12")
def lowest_airflow(session: nox.Session) -> None:
    """Test the lowest allowed Airflow with the newest of everything else."""
    _install(session, *LOWEST_AIRFLOW)
    _test(session, "-W", "default")


@nox.session(python="3.12")
def lowest_airflow_page(session: nox.Session) -> None:
    """Test the page in a browser in the lowest allowed Airflow; needs ``make system-deps``."""
    _install(session, "--group", "browser", *LOWEST_AIRFLOW)
    _test(session, "-W", "default", selection=["-m", "browser"])


def _install(session: nox.Session, *how: str) -> None:
    session.run_install("uv", "pip", "install", "--quiet", "--group", "test", "--editable", ".", *how)


def _test(session: nox.Session, *options: str, selection: list[str] = EVERY) -> None:
    """Run pytest, and record versions and counts in docs/versions.json, from which the table is made."""
    report = Path(session.virtualenv.location, "report.xml").absolute()
    session.run(
        "pytest", *selection, *options, f"--junit-xml={report}", *session.posargs, success_codes=[0, 1]
    )
    suite = ET.parse(report).getroot()[0].attrib  # noqa: S314 - pytest wrote it
    found = session.run("python", "-c", _VERSIONS, *SHOWN, silent=True)
    counts = {kind: int(suite[kind]) for kind in ("tests", "skipped", "failures", "errors")}
    if not session.posargs:  # a part of the suite proves nothing
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        results[session.name] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **json.loads(str(found)), **counts}
        RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=2) + "\n")
        session.run("python", "docs/generate.py")  # the next session tests that the tables are up to date
    if counts["failures"] or counts["errors"]:
        session.error(f"{counts['failures']} tests failed, {counts['errors']} raised errors")


_VERSIONS = """
import json, platform, sys
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in sys.argv[1:]}}))
"""
