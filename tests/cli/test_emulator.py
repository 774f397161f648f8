"""Tests ``io-intelligence emulate`` from its arguments to Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from io_intelligence_provider.cli import emulator

SCRIPT = """
import argparse, sys
from io_intelligence_provider.cli import emulator
parser = argparse.ArgumentParser()
emulator.add_emulate(parser.add_subparsers())
args = parser.parse_args(sys.argv[1:])
sys.exit(args.run(args))
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    emulator.add_emulate(parser.add_subparsers())
    return parser.parse_args(["emulate", *arguments])


@pytest.mark.long
def test_it_serves_until_ctrl_c() -> None:
    command = [
        sys.executable,
        "-c",
        SCRIPT,
        "emulate",
        "--port=0",
        "--as-of=2026-02-13",
        "--api-key-env=THE_KEY",
    ]
    command += ["--fault=status=418,times=1"]
    environment = {**os.environ, "THE_KEY": "s3cret"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(4)]
            url = said[0].split(" at ")[1].split()[0]
            request = urllib.request.Request(url, headers={"Authorization": "Bearer s3cret"})  # noqa: S310
            with pytest.raises(urllib.request.HTTPError, match="418") as caught:
                urllib.request.urlopen(request)  # noqa: S310
            caught.value.close()
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                assert json.load(answer)["pagination"]["total"] == 9
        finally:
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert "s3cret" not in "".join(said) + rest
    assert shlex.split(said[2])[:3] == ["curl", "-H", "Authorization: Bearer $THE_KEY"]
    exported = shlex.split(said[3])[1].partition("=")
    assert exported[0] == "AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT"
    assert json.loads(exported[2]) == {
        "conn_type": "io_intelligence",
        "host": url.removesuffix("/api/v1/models"),
        "password": "$THE_KEY",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fault=boom"], "Not a fault"),
        (["--as-of=2026-01-01"], "begins on"),
        (["--port=99999"], "ports are 0 to 65535"),
        (["--port=-1"], "ports are 0 to 65535"),
        (["--history=/nowhere/h.jsonl"], "Cannot read"),
        (["--catalogue=/nowhere/c.json"], "Cannot read"),
        (["--api-key-env=NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE holds no API key"),
    ],
)
def test_wrong_arguments_are_said_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    args = parse(["--port=0", *arguments])
    assert args.run(args) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1


def test_a_catalogue_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text('[{"name": "only"}]', encoding="utf-8")
    (record,) = emulator._catalogue(parse([f"--catalogue={file}"])).rendered(None, "documented")
    assert record.body == b'{"name": "only"}'


def test_parsing_arguments_loads_no_web_framework() -> None:
    code = SCRIPT.replace("sys.exit", "print({'fastapi', 'uvicorn', 'airflow'} & set(sys.modules)) #")
    out = subprocess.run([sys.executable, "-c", code, "emulate"], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
