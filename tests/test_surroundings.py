"""Tests the fixture that fails a test which leaves something behind."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import surroundings
from helpers.surroundings import REPOSITORY

pytestmark = pytest.mark.long

LEAVING = {
    "the thread forgotten": """
        threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()""",
    "the thread of a server": """
        server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, name="of a server", daemon=True).start()""",
    "the process ": "KEPT.append(subprocess.Popen(['sleep', '60']))",
    "which ended and nobody waited for": """
        KEPT.append(subprocess.Popen(["true"]))
        os.waitid(os.P_PID, KEPT[-1].pid, os.WEXITED | os.WNOWAIT)""",
    "the variable A_NEW_ONE": "os.environ['A_NEW_ONE'] = 'its-value'",
    "the variable USUAL": "os.environ['USUAL'] = 'its-value'",
    "the variable GONE": "del os.environ['GONE']",
    "the file $TMPDIR/": "tempfile.mkdtemp()",
    "the file $HOME/": "(Path.home() / 'notes').touch()",
    "the file $AIRFLOW_HOME/": "Path(os.environ['AIRFLOW_HOME'], 'store').mkdir()",
    "/repository/dist.txt": "Path('dist.txt').touch()",
    "/repository/docs/page.html": "Path('docs/page.html').touch()",
    "the logger root": "logging.root.addHandler(logging.NullHandler())",
    "the logger io_intelligence_provider.errors": """
        logging.getLogger("io_intelligence_provider.errors").setLevel(logging.DEBUG)""",
    "the logger io_intelligence_provider.store": """
        logging.getLogger("io_intelligence_provider.store").disabled = True""",
    "logging.disable": "logging.disable(logging.CRITICAL)",
    "the working folder": "os.chdir('/')",
}
"""By what is reported: the code of a test that leaves it."""

HEAD = """
from __future__ import annotations
import atexit, logging, os, subprocess, tempfile, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
import pytest
KEPT = []
atexit.register(lambda: [(process.kill(), process.wait()) for process in KEPT])
os.environ |= {"USUAL": "as it was", "GONE": "still here"}
"""

TIDY = '''
class Server:
    """Begins a thread for each request, as servers do; one that waits stays after the test."""

    def __init__(self):
        self.asked, self.end, self.threads = threading.Event(), threading.Event(), []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        self.asked.wait()
        self.threads.append(threading.Thread(target=self.end.wait))
        self.threads[-1].start()
        self.end.wait()


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.end.set()
    for thread in (server.thread, *server.threads):
        thread.join()


@pytest.fixture(scope="session")
def wide():
    os.environ["WIDE"] = "set by a fixture of the session"
    process = subprocess.Popen(["sleep", "60"])
    folder = tempfile.mkdtemp()
    yield process
    process.kill()
    process.wait()
    os.rmdir(folder)


def test_a_server_of_the_module_begins_a_thread(server):
    server.asked.set()
    while not server.threads:
        os.sched_yield()


def test_a_wider_fixture_is_asked_for_late(request):
    assert request.getfixturevalue("wide").poll() is None


def test_all_is_taken_back(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("A_NEW_ONE", "x")
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG, "io_intelligence_provider")
    (tmp_path / "kept").touch()
    with tempfile.TemporaryDirectory(), subprocess.Popen(["true"]):
        thread = threading.Thread(target=lambda: None)
        thread.start()


def test_what_git_ignores_may_stay():
    Path("dist").mkdir()
    Path("docs/__pycache__").mkdir()
'''


def run(folder: Path, code: str) -> tuple[int, str]:
    """Run a file of tests in a repository of its own, with the plugin that this is about."""
    repository = folder / "repository"
    (repository / "tests" / "helpers").mkdir(parents=True)
    (repository / "docs").mkdir()
    shutil.copy(REPOSITORY / ".gitignore", repository)
    plugin = Path(surroundings.__file__).read_text("utf-8").replace("GRACE = 5.0", "GRACE = 0.1")
    (repository / "tests" / "helpers" / "surroundings.py").write_text(plugin, "utf-8")
    (repository / "tests" / "conftest.py").write_text("pytest_plugins = ['helpers.surroundings']\n")
    (repository / "pytest.ini").write_text(
        "[pytest]\npythonpath = tests\naddopts = --import-mode=importlib\n"
    )
    (repository / "tests" / "test_it.py").write_text(HEAD + code)
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-q", "tests"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_every_kind_is_reported_against_the_test_that_left_it(tmp_path: Path) -> None:
    tests = [
        f"def test_{number}():\n    {code.strip()}\n"
        for number, code in enumerate([*LEAVING.values(), "pass"])
    ]
    status, said = run(tmp_path, "\n".join(test.replace("\n        ", "\n    ") for test in tests))
    assert status == 1
    for number, kind in enumerate(LEAVING):
        (line,) = re.findall(rf"^tests/test_it\.py::test_{number} left behind: (.*)$", said, re.MULTILINE)
        assert kind in line
        assert ";" not in line
    assert f"{len(LEAVING) + 1} passed, {len(LEAVING) + 1} errors" in said
    assert "its-value" not in said


def test_what_is_taken_back_or_belongs_to_a_wider_fixture_is_not(tmp_path: Path) -> None:
    status, said = run(tmp_path, TIDY)
    assert status == 0, said
    assert "4 passed" in said


def test_the_session_ends_with_an_error_when_a_wide_fixture_leaves_a_process(tmp_path: Path) -> None:
    code = """
@pytest.fixture(scope="session")
def wide():
    KEPT.append(subprocess.Popen(["sleep", "60"]))

def test_it(wide):
    pass
"""
    status, said = run(tmp_path, code)
    assert status == 1
    assert "The session's fixtures left behind: the process " in said
