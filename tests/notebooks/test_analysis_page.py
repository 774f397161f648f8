"""Runs the code of docs/analysis.md, and compares its output with the page's."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "analysis.md"


@pytest.mark.long
def test_the_recipes_run_and_give_what_the_page_says(
    recorded_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "store").symlink_to(recorded_store)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    promised = 0
    for recipe in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        code, _, result = recipe.partition("\n# ")
        if result:
            promised += 1
            shown = repr(eval(code, names))  # noqa: S307 - our own page
            assert shown.startswith(result.strip().removesuffix("...)"))
        else:
            exec(compile(ast.parse(code), PAGE.name, "exec"), names)  # noqa: S102 - our own page
    assert promised == 2
    assert "2.75" in capsys.readouterr().out
