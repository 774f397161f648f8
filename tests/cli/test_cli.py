"""Tests the console script as a user calls it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helpers.stores import StoreBuilder, model_row
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli import main
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

KEY = "iok-a-key-of-the-cli-test"


@pytest.fixture(scope="module")
def api() -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=PriceHistory.load(), api_key=KEY) as server:
        yield server


def snapshot(api: EmulatorServer, root: Path, *more: str) -> int:
    return main(["snapshot", "--url", api.url, "--root", str(root), *more])


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IO_INTELLIGENCE_API_KEY", KEY)


@pytest.mark.usefixtures("key")
def test_snapshot_files_today(
    api: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snapshot(api, tmp_path) == 0
    today = datetime.now(UTC).date()
    assert SnapshotStore(tmp_path).dates() == [today]
    assert f"{today}: 26 models filed, 0 quarantined, passed" in capsys.readouterr().out


@pytest.mark.usefixtures("key")
def test_snapshot_prints_json(
    api: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snapshot(api, tmp_path, "--json", "--date", "2026-06-30") == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["snapshot_date"] == "2026-06-30"
    assert summary["rows"] == 26


def test_a_failure_is_one_line_without_the_key(
    api: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "wrong-key-of-mine")
    assert snapshot(api, tmp_path, "--api-key-env", "MY_KEY") == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("io-intelligence: ")
    assert "401" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert "wrong-key-of-mine" not in printed.err + printed.out


def test_a_wrong_call_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshot", "--root", str(tmp_path), "--api-key-env", "NO_SUCH_VARIABLE_HERE"]) == 2
    assert "NO_SUCH_VARIABLE_HERE" in capsys.readouterr().err


PROGRAM = "import sys; from io_intelligence_provider.cli import main; sys.exit(main())"


@pytest.mark.long
@pytest.mark.parametrize("is_full", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        ["show"],
        ["show", "--json"],
        ["show", "--json", "--search=no such"],
        ["export", "--format=litellm", "--out=-"],
    ],
)
def test_an_output_that_takes_no_more_ends_without_a_traceback(
    tmp_path: Path, arguments: list[str], is_full: bool
) -> None:
    """As ``… > file`` on a full disk and ``… | head`` do."""
    StoreBuilder(tmp_path).file(0, *(model_row(f"{n:04}", input_token_price="1") for n in range(200)))
    if is_full:
        output = os.open("/dev/full", os.O_WRONLY)
    else:
        unread, output = os.pipe()
        os.close(unread)
    command = [sys.executable, "-c", PROGRAM, *arguments, f"--root={tmp_path}"]
    try:
        done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(output)
    messages = [line for line in done.stderr.splitlines() if not line.startswith("Left out")]
    assert messages == (["io-intelligence: [Errno 28] No space left on device"] if is_full else [])
    assert done.returncode == 1


@pytest.mark.parametrize("width", ["0", "1", "20"])
def test_prices_have_all_digits_however_narrow_the_terminal_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    StoreBuilder(tmp_path).file(
        0, model_row("a/long-name", input_token_price="0.557", output_token_price="12.345")
    )
    monkeypatch.setenv("COLUMNS", width)
    assert main(["show", "--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "0.557" in shown
    assert "12.345" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "--date", "yesterday"], "--date: 'yesterday' is no date; write YYYY-MM-DD"),
        (["alert", "--max-lines", "0"], "--max-lines: '0' is no integer of at least 1"),
        (["alert", "--max-lines", "-3"], "--max-lines: '-3' is no integer of at least 1"),
        (["alert", "--max-lines", "2.5"], "--max-lines: '2.5' is no integer of at least 1"),
    ],
)
def test_a_value_that_is_none_is_said_to_be(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert f"argument {says}\n" in capsys.readouterr().err


def test_a_blank_folder_is_not_the_current_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``init-dag "$DAGS"`` gives when the variable is not set."""
    monkeypatch.chdir(tmp_path)
    assert main(["init-dag", ""]) == 2
    assert "blank" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_emulate_does_not_show_a_key_that_was_given_as_its_variable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["emulate", "--port=0", "--api-key-env", KEY]) == 2
    printed = capsys.readouterr()
    assert "--api-key-env holds no API key" in printed.err
    assert KEY not in printed.err + printed.out


def test_show_without_a_report_prints_the_models_and_what_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    StoreBuilder(tmp_path).file(0, model_row("m", input_token_price="0.557"))
    for report in tmp_path.glob("quality/*/*.json"):
        report.unlink()
    assert main(["show", "--root", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "0.557" in printed.out
    assert "1 models, quality unknown" in printed.out
    assert re.match(r"io-intelligence: The report or the quarantine of snapshot \w+ of", printed.err)


def test_show_without_a_snapshot_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--root", str(tmp_path)]) == 1
    assert "io-intelligence snapshot" in capsys.readouterr().err


@pytest.mark.usefixtures("key")
def test_show_prints_the_table_and_exact_json(
    api: EmulatorServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot(api, tmp_path, "--date", "2026-06-30")
    capsys.readouterr()
    assert main(["show", "--root", str(tmp_path), "--search", "GLM-5.2"]) == 0
    table = capsys.readouterr().out
    assert "zai-org/GLM-5.2" in table
    assert "1.678" in table
    assert "free" in table
    assert main(["show", "--root", str(tmp_path), "--search", "glm-5.2", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["input_token_price"] == "1.678"
    assert row["cache_write_token_price"] == "0"
    assert row["max_tokens"] is None


@pytest.mark.long
def test_replay_files_every_state_of_a_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(tmp_path)
    assert main(["replay", "--root", root, "--start", "2026-05-25", "--end", "2026-05-27", "--json"]) == 0
    days = [summary["snapshot_date"] for summary in json.loads(capsys.readouterr().out)]
    assert days == [day.isoformat() for day in SnapshotStore(root).dates()]
    assert "2026-05-26" in days
    outcomes = {report.snapshot_date.isoformat(): report.outcome for report in SnapshotStore(root).runs()}
    assert outcomes["2026-05-26"] == "warned"  # GLM-4.5-Air read 0 for one day
    assert set(days) == {folder.name.partition("=")[2] for folder in (tmp_path / "changes").iterdir()}
    assert "2026-05-26" in map(str, SnapshotStore(root).changes()["snapshot_date"].to_pylist())


def test_init_dag_copies_the_sample_and_keeps_what_was_edited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init-dag", str(tmp_path)]) == 0
    target = tmp_path / "io_intelligence_daily_pricing.py"
    original = target.read_text()
    assert main(["init-dag", str(tmp_path)]) == 0
    target.write_text("# mine")
    assert main(["init-dag", str(tmp_path)]) == 2
    assert target.read_text() == "# mine"
    assert main(["init-dag", str(tmp_path), "--force"]) == 0
    assert target.read_text() == original


def test_init_dag_never_replaces_the_notifiers_of_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sample's settings are there to be edited, so a newer version always finds them changed."""
    assert main(["init-dag", str(tmp_path)]) == 0
    settings, dag = tmp_path / "io_intelligence_settings.py", tmp_path / "io_intelligence_watch.py"
    newer = dag.read_text()
    settings.write_text("# my notifiers")
    assert main(["init-dag", str(tmp_path)]) == 0
    dag.write_text("# of an older version")
    capsys.readouterr()
    assert main(["init-dag", str(tmp_path), "--force"]) == 0
    assert (settings.read_text(), dag.read_text()) == ("# my notifiers", newer)
    captured = capsys.readouterr()
    assert captured.err == f"Kept {settings}: it differs from the sample.\n"
    assert str(settings) not in captured.out


def test_init_dag_makes_the_folder_that_a_new_airflow_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "airflow" / "dags"
    assert main(["init-dag", str(folder)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"Created the folder {folder}"
    assert printed[1:] == sorted(map(str, folder.iterdir()))
    assert folder / "io_intelligence_daily_pricing.py" in folder.iterdir()


def test_init_dag_copies_nothing_beside_what_was_edited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "io_intelligence_watchdog.py").write_text("# mine")
    assert main(["init-dag", str(tmp_path)]) == 2
    assert "--force" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["io_intelligence_watchdog.py"]


def test_init_dag_says_why_a_folder_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "dags"):
        assert main(["init-dag", str(folder)]) == 2
        assert f"could not be copied into {folder}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "days",
    [["--start", "2031-01-01"], ["--end", "2020-01-01"], ["--start", "2026-06-30", "--end", "2026-06-01"]],
)
def test_a_replay_of_no_day_says_which_there_are(
    days: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--root", str(tmp_path / "store"), *days]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "it has 64, 2026-02-13 to 2026-06-30" in err
    assert not (tmp_path / "store").exists()


@pytest.mark.usefixtures("key")
def test_a_root_that_cannot_be_made_is_named(api: EmulatorServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert snapshot(api, Path("/proc/nothing/store")) == 1
    error = capsys.readouterr().err
    assert "Could not write /proc/nothing/store" in error
    assert "Not on file" not in error


@pytest.mark.long
@pytest.mark.parametrize("module", ["demo", "ui"])
def test_ctrl_c_ends_without_a_traceback(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", f"io_intelligence_provider.cli.{module}", str(tmp_path / "work")]
    command += [str(tmp_path / "no demo")] if module == "ui" else []
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    store = tmp_path / "work" / "store" / "models"
    with process:
        while process.poll() is None and not store.exists():
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert said.strip().endswith("the next run empties it." if module == "demo" else "All stopped.")
    assert process.returncode == (130 if module == "demo" else 0)


@pytest.mark.long
@pytest.mark.parametrize("port", ["99999", "0", "x", "-1"])
def test_a_port_of_the_interface_that_is_none(port: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "io_intelligence_provider.cli.ui", str(tmp_path), str(tmp_path / "x")]
    done = subprocess.run(
        command, env=os.environ | {"PORT": port}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == f"PORT is '{port}'; it must be a number from 1 to 65535.\n"


@pytest.mark.parametrize(
    "command", ["snapshot", "show", "changes", "alert", "export", "replay", "emulate", "init-dag"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert command in capsys.readouterr().out


@pytest.mark.long
def test_no_command_imports_airflow(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from io_intelligence_provider.cli import main\n"
        f"main(['replay', '--root', {str(tmp_path)!r}, '--end', '2026-02-13'])\n"
        f"main(['show', '--root', {str(tmp_path)!r}])\n"
        f"main(['changes', '--root', {str(tmp_path)!r}])\n"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_hostile_names_print_as_text() -> None:
    from io_intelligence_provider.cli.tables import safe

    assert (
        safe("[red]x[/red]\x1b[31m\n").plain
        == "[red]x[/red]\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}"
    )
    assert safe("[red]x").spans == []
