"""Tests what ``io-intelligence changes`` and ``alert --dry-run`` print and write."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.rules import rules_from
from io_intelligence_provider.cli import main
from io_intelligence_provider.cli.tables import changes_table

START, LAST = "2026-06-25", "2026-06-30"
RULES = "- {name: any price, changes: price_changed}\n"


@pytest.fixture(scope="module")
def _filed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("changes") / "store"
    assert main(["replay", "--root", str(root), "--start", START, "--json"]) == 0
    return root


@pytest.fixture
def root(_filed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_filed, tmp_path / "store"))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return path


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_an_output_that_cannot_hold_the_message_is_an_error_that_says_what_to_set(
    root: Path, rules: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "latin-1"))
    assert main(["alert", "--dry-run", "--root", str(root), "--rules", str(rules)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("io-intelligence: 'latin-1' codec can't encode character '\\u2192' in position")
    assert error.endswith(". Set PYTHONIOENCODING=utf-8.\n")


def test_the_table_names_models_prices_and_per_cent(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = printed(capsys, "changes", "--root", root)
    rows = SnapshotStore(root).changes(LAST, LAST).to_pylist()
    assert rows
    assert f"Changes on {LAST} since 2026-06-29: {len(rows)}" in text
    for row in rows:
        assert row["name"] in text
        assert row["pct"] is None or f"{row['pct']:+.2f}" in text


def test_it_files_what_the_dag_files(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(printed(capsys, "changes", "--root", root, "--date", LAST, "--json"))
    assert Path(answer["path"]).is_file()
    assert answer["previous_date"] == "2026-06-29"
    assert len(answer["changes"]) == sum(answer["counts"].values()) > 0
    stored = SnapshotStore(root).changes(LAST, LAST).drop_columns(["snapshot_date"]).to_pylist()
    assert answer["changes"] == [row | {"previous_date": str(row["previous_date"])} for row in stored]


def test_against_a_date_it_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(root)
    answer = json.loads(printed(capsys, "changes", "--root", root, "--against", START, "--json"))
    assert answer["path"] is None
    assert answer["previous_date"] == START
    assert {change["previous_date"] for change in answer["changes"]} == {START}
    assert files(root) == before


@pytest.mark.long
def test_min_pct_hides_the_small_ones_and_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    everything = json.loads(printed(capsys, "changes", "--root", root, "--json"))["changes"]
    least = sorted(abs(change["pct"]) for change in everything if change["pct"] is not None)[1]
    kept = json.loads(printed(capsys, "changes", "--root", root, "--min-pct", least, "--json"))["changes"]
    assert kept == [change for change in everything if change["pct"] is None or abs(change["pct"]) >= least]
    assert 0 < len(kept) < len(everything)
    table = " ".join(printed(capsys, "changes", "--root", root, "--min-pct", least).split())
    assert f"{len(everything) - len(kept)} below {least:g} % not shown" in table


def test_the_first_snapshot_has_nothing_to_compare(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is the first snapshot" in printed(capsys, "changes", "--root", root, "--date", START)
    answer = json.loads(printed(capsys, "changes", "--root", root, "--date", START, "--json"))
    assert answer["previous_date"] is None
    assert answer["changes"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--min-pct", "-1"], 2, "--min-pct"),
        (["--min-pct", "nan"], 2, "--min-pct"),
        (["--against", "yesterday"], 2, "no date"),
        (["--against", LAST], 2, "before"),
        (["--date", "2020-01-01"], 1, "2020-01-01"),
    ],
)
def test_a_wrong_call_is_told(
    arguments: list[str], code: int, message: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["changes", "--root", str(root), *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_hostile_names_and_values_print_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    row: dict[str, Any] = {
        "name": "[bold]x[/bold]\x1b[31m",
        "change": "attribute_changed",
        "field": "description",
        "old_value": "[link=http://evil.test]click\n",
        "new_value": None,
        "pct": None,
    }
    console = Console(width=200)
    console.print(changes_table(console, [row, row | {"field": None, "change": "model_added"}], "t"))
    text = capsys.readouterr().out
    assert "[bold]x[/bold]\N{REPLACEMENT CHARACTER}[31m" in text
    assert "[link=http://evil.test]click\N{REPLACEMENT CHARACTER}" in text
    assert "\x1b" not in text


@pytest.mark.long
@pytest.mark.parametrize("form", ["text", "markdown", "html", "slack"])
def test_alert_shows_what_would_be_sent_and_writes_nothing(
    form: str, root: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(root)
    command = ["alert", "--dry-run", "--root", root, "--rules", rules, "--format", form, "--date", LAST]
    text = printed(capsys, *command)
    digest = evaluate(SnapshotStore(root), rules_from(RULES), LAST)
    assert f" {digest.count - 1} more price changes on {LAST}" in text.replace("\\", "")
    if form == "slack":
        assert json.loads(text)["blocks"][0]["type"] == "header"
    if form == "html":
        assert text.startswith("<h2>")
    assert files(root) == before


def test_alert_looks_at_any_past_day_as_to_somebody_new(
    root: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in ("2026-06-26", "2026-06-29", LAST):
        text = printed(capsys, "alert", "--dry-run", "--root", root, "--rules", rules, "--date", day)
        assert day in text
    assert text == printed(capsys, "alert", "--dry-run", "--root", root, "--rules", rules)


def test_alert_cuts_and_says_so(root: Path, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "alert", "--dry-run", "--root", root, "--rules", rules, "--max-lines", "1")
    changes = text.partition("Data quality")[0]
    assert changes.count("\n- ") == 1
    assert "were left out" in changes


@pytest.mark.parametrize(
    ("form", "shown"), [("text", "no change of that day matches"), ("slack", '"blocks": []')]
)
def test_alert_says_when_there_is_nothing(
    form: str, shown: str, root: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules.write_text("- {name: huge, changes: price_changed, models: nobody/*}\n")
    command = ["alert", "--dry-run", "--root", root, "--rules", rules, "--format", form]
    assert shown in printed(capsys, *command)


def test_alert_sends_nothing_so_it_wants_to_be_told(
    root: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["alert", "--root", str(root), "--rules", str(rules)]) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_alert_says_what_it_costs(
    root: Path, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic = tmp_path / "traffic.json"
    traffic.write_text('{"openai/gpt-oss-120b": {"input": 1e9}, "no/such": {}}')
    command = ["alert", "--dry-run", "--root", root, "--rules", rules, "--traffic", traffic]
    text = printed(capsys, *command)
    assert "Monthly bill: " in text
    assert "no/such (not in the catalogue)" in text
    traffic.write_text('{"openai/gpt-oss-120b": {"inputs": 1}}')
    assert main([str(word) for word in command]) == 2
    assert "unknown key 'inputs'" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "- {name: x, nonsense: 1}"])
def test_alert_tells_what_is_wrong_with_the_rules(
    content: str | None, root: Path, rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules.unlink() if content is None else rules.write_text(content)
    assert main(["alert", "--dry-run", "--root", str(root), "--rules", str(rules)]) == 2
    assert capsys.readouterr().err.startswith("io-intelligence: ")


def test_the_demo_puts_a_notifier_into_the_sample_settings() -> None:
    from io_intelligence_provider.cli.commands import SETTINGS, example_dags
    from io_intelligence_provider.cli.demo import _RULES, notifying

    (path,) = (path for path in example_dags() if path.stem == SETTINGS)
    source = notifying(path.read_text("utf-8"))
    compile(source, "demo", "exec")
    assert [rule.name for rule in rules_from(_RULES) if f'name="{rule.name}"' not in source] == []
    assert source.count("IOIntelligenceWebhookNotifier") >= 1
    with pytest.raises(ValueError, match="NOTIFIERS"):
        notifying("nothing of the kind")
