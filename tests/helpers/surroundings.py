"""Provides a pytest plugin that isolates a run's folders, and fails tests that leave anything behind.

It is imported before any test module, so that libraries that read their environment on import use these
folders: Airflow its home, others a home without the developer's ``~/.netrc`` and ``~/.aws``.
"""

from __future__ import annotations

import atexit
import fnmatch
import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

REPOSITORY = Path(__file__).parents[2]

# This process has its own home and temporary folders, so that files of other programs on the machine are
# not mistaken for those of a test.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # keeps pytest's place of tmp_path
_FOLDER_NAMES = (("AIRFLOW_HOME", "airflow"), ("HOME", "home"), ("TMPDIR", "tmp"))
_OWN = tempfile.mkdtemp(prefix="io-test-", dir=os.environ["PYTEST_DEBUG_TEMPROOT"])
_FOLDERS = {name: f"{_OWN}/{folder}" for name, folder in _FOLDER_NAMES}
for _folder in _FOLDERS.values():
    Path(_folder).mkdir()


@atexit.register
def _remove_own(owner: int = os.getpid()) -> None:
    if os.getpid() == owner:  # not in a fork of it, which may end in any way
        shutil.rmtree(_OWN, ignore_errors=True)


os.environ |= _FOLDERS
tempfile.tempdir = _FOLDERS["TMPDIR"]
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "true"
os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = secrets.token_hex(64)  # Airflow 3.2 runs no Dag without one
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{os.environ['AIRFLOW_HOME']}/airflow.db"
for _name in list(os.environ):
    if _name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "netrc"):
        del os.environ[_name]

# No test checks that a file survives a power loss, so none needs to wait for the disk.
os.fsync = lambda descriptor: None  # type: ignore[assignment]  # noqa: ARG005

GRACE = 5.0
"""Seconds that threads may take to end. Threads that have ended take none of it."""
ALLOWED_VARIABLES = {
    "PYTEST_CURRENT_TEST": "pytest's own; each phase of a test has another",
    "_RJEM_MALLOC_CONF": "polars tells its allocator how to free memory, when it is first imported",
    "SPARK_LOCAL_IP": "pandera sets it when it is first imported, for Spark",
    "PYARROW_IGNORE_TIMEZONE": "the same",
}
ALLOWED_THREADS = {
    "fsspecIO": "fsspec's one event loop for all asynchronous file systems of a process; it cannot be ended",
    "InProcessExecutionAPI-loop": "the execution API for Dags that run in this process, one for all of them",
    "pytest_timeout": "the clock that pytest-timeout begins before and ends after all that belongs to a test",
}
ALLOWED_FILES = {
    "AIRFLOW_HOME": {
        "airflow.db*": "the database that the session's tests share",
        "airflow.cfg": "Airflow writes it when it is first imported",
        "logs": "Airflow's folder of task logs, made by the first task that runs",
        "simple_auth_manager_passwords*": "Airflow's simple auth manager writes it when it is first made",
    },
    "HOME": {
        ".cache": "libraries keep there what takes long to make, such as matplotlib's list of fonts",
        ".config": "Chromium's place for reports of crashes",
    },
    "TMPDIR": {},
}
"""By folder: files that the first test that needs them creates for all later ones, until the session ends."""
LOGGERS = ("io_intelligence_provider", "airflow.task")
"""Loggers that a test must restore, with those below them and the root logger."""


def _start_and_note_parent(thread: threading.Thread, _start: Any = threading.Thread.start) -> None:
    thread.parent_thread = threading.current_thread()  # type: ignore[attr-defined]
    _start(thread)


threading.Thread.start = _start_and_note_parent  # type: ignore[method-assign, assignment]


class Surroundings:
    """Records the state before a test, to compare it with the state after it."""

    current: Surroundings | None = None
    """The state of the running test."""

    def __init__(self) -> None:
        self.begun = _begun()
        self.settings = _settings()
        self.with_airflow = "airflow.logging_config" in sys.modules

    @contextmanager
    def widened(self) -> Iterator[None]:
        """Treat everything that the block starts and sets as present before."""
        before = Surroundings()
        yield
        self.begun |= _begun() - before.begun
        self.settings |= dict(_settings().items() - before.settings.items())

    def left(self) -> list[str]:
        """Return texts about what the test left behind. No values: they may be secret."""
        changed = {name for name, _ in _settings().items() ^ self.settings.items()}
        if "airflow.logging_config" in sys.modules and not self.with_airflow:  # Airflow set up its loggers
            changed = {name for name in changed if not name.startswith("the logger ")}
        return [*self.begun_since(), *sorted(changed), *_new_in_repository()]

    def begun_since(self) -> list[str]:
        """Return the part that was started: threads, processes and files."""
        deadline = time.monotonic() + GRACE
        for thread in self._own_threads():
            thread.join(max(deadline - time.monotonic(), 0))
        things = [thing for thing in _begun() - self.begun if not isinstance(thing, threading.Thread)]
        return sorted(map(_described, [*self._own_threads(), *things]))

    def _own_threads(self) -> list[threading.Thread]:
        """Return the test's threads. Those started by a server of a wider fixture belong to that fixture."""
        return [thread for thread in threading.enumerate() if not any(map(self._excuses, _ancestry(thread)))]

    def _excuses(self, thread: threading.Thread) -> bool:
        foreign = isinstance(thread, threading._DummyThread)  # started by native code, which ends it
        main = thread is threading.main_thread()
        return foreign or main or thread in self.begun or thread.name.startswith(tuple(ALLOWED_THREADS))


def _ancestry(thread: threading.Thread) -> Iterator[threading.Thread]:
    """Yield a thread, its parent, and so on up to one that the main thread started."""
    yield thread
    while (
        thread := getattr(thread, "parent_thread", threading.main_thread())
    ) is not threading.main_thread():
        yield thread


def _begun() -> set[Hashable]:
    """Return the running threads and processes, and the entries of the folders."""
    files = (
        f"the file ${name}/{entry}"
        for name, allowed in ALLOWED_FILES.items()
        for entry in os.listdir(_FOLDERS[name])  # noqa: PTH208 - faster, and it runs twice for each test
        if not any(fnmatch.fnmatch(entry, pattern) for pattern in allowed)
    )
    return {*threading.enumerate(), *_children(), *files}


def _children() -> list[psutil.Process]:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there is none; psutil takes five milliseconds to find that out
        return []
    found: list[psutil.Process] = psutil.Process().children()
    return found


def _described(thing: Hashable) -> str:
    if isinstance(thing, threading.Thread):
        return f"the thread {thing.name}"
    if not isinstance(thing, psutil.Process):
        return str(thing)
    with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        return f"the process {thing.pid}, {' '.join(thing.cmdline())[:200]}"
    return f"the process {thing.pid}, which ended and nobody waited for"


def _settings() -> dict[str, Hashable]:
    found: dict[str, Hashable] = {f"the variable {name}": value for name, value in os.environ.items()}
    for name in ALLOWED_VARIABLES:
        found.pop(f"the variable {name}", None)
    for name, log in [("root", logging.root), *logging.root.manager.loggerDict.items()]:
        if isinstance(log, logging.Logger) and (log is logging.root or name.startswith(LOGGERS)):
            state = (log.level, log.disabled, log.propagate, *log.handlers)
            if state != (logging.NOTSET, False, True):  # the state of a new logger
                found[f"the logger {name}"] = state
    return found | {"logging.disable": logging.root.manager.disable, "the working folder": os.getcwd()}  # noqa: PTH109


def _tree() -> dict[str, tuple[int, set[str]]]:
    """Return when each folder of the working tree was changed, and its entries."""
    found = {}
    for folder, below, _ in os.walk(REPOSITORY):
        below[:] = [name for name in below if not _ignored(name) and name != ".git"]
        found[folder] = os.stat(folder).st_mtime_ns, set(os.listdir(folder))  # noqa: PTH116, PTH208
    return found


def _ignored(name: str) -> bool:
    return any(fnmatch.fnmatch(name, line.rstrip("/")) for line in _IGNORED)


_IGNORED = (REPOSITORY / ".gitignore").read_text("utf-8").split()
_TREE = _tree()


def _new_in_repository() -> list[str]:
    """Return the new files in the working tree since the last call, except ignored ones."""
    new = []
    for folder, (changed, names) in list(_TREE.items()):
        with suppress(FileNotFoundError):
            if (now := os.stat(folder).st_mtime_ns) != changed:  # noqa: PTH116 - many folders, many tests
                _TREE[folder] = now, set(os.listdir(folder))  # noqa: PTH208
                new += [
                    f"the file {folder}/{name}" for name in _TREE[folder][1] - names if not _ignored(name)
                ]
    return new


@pytest.fixture(scope="session", autouse=True)
def airflow_home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Set up Airflow's home. It is removed after all other fixtures, which must have ended everything."""
    found = Surroundings()
    yield Path(_FOLDERS["AIRFLOW_HOME"])
    left = [] if request.session.shouldfail or request.session.shouldstop else found.begun_since()
    _remove_own()
    if left:
        pytest.fail(f"The session's fixtures left behind: {'; '.join(left)}", pytrace=False)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a process, a file, a variable or a changed logger behind.

    It is set up before the test's own fixtures and torn down after them. What fixtures of a wider scope start
    belongs to them: they are set up before, or the hook below accounts for them.
    """
    Surroundings.current = found = Surroundings()
    yield
    Surroundings.current = None
    left = found.left()
    if left:
        pytest.fail(f"{request.node.nodeid} left behind: {'; '.join(left)}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    """Count what a fixture of a wider scope starts as its own, even if it is set up during a test."""
    if Surroundings.current is None or fixturedef.scope == "function":
        return (yield)
    with Surroundings.current.widened():
        return (yield)
