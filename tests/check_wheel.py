"""Build the wheel, install it into an empty environment, and run everything that a user can.

``make wheel`` leaves the wheel in ``dist/``, installs it with its declared dependencies alone, and runs every
module and export, every console command, every operator and decorator in a Dag by ``airflow dags test``, each
sample Dag that needs no more, every route of the page behind Airflow's own login. Then what the extras
``pandas``, ``openlineage`` and ``s3`` add, each in an environment of its own; ``make wheel-extras`` does so
with ``gcs``, ``azure`` and ``spark``.

What runs inside lies in ``wheel/``. Not a pytest file: it installs packages, and pytest installs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3

from io_intelligence_provider.cli.demo import Receiver
from io_intelligence_provider.cli.standalone import free_port

REPO: Final = Path(__file__).parents[1]
INSIDE: Final = REPO / "tests" / "wheel"
NAME: Final = "airflow_provider_io_intelligence"
UV: Final = Path(sys.executable).with_name("uv")
FAREWELL: Final = 60.0
"""Seconds that a process gets to end after Ctrl-C."""
PATIENCE: Final = 900.0
"""Seconds until a server has to serve: Airflow takes forty on an idle machine, minutes on a busy one."""

SAMPLES: Final = {
    "io_intelligence_daily_pricing": "the demo runs it",
    "io_intelligence_on_change": "",
    "io_intelligence_watchdog": "reports that the daily Dag is paused, as it is here; tests/airflow runs it",
    "io_intelligence_settings": "is imported by the others",
    "io_intelligence_export": "",
    "io_intelligence_by_date": "needs Airflow 3.3; tests/airflow runs it",
    "io_intelligence_load_periods": "needs the provider of a SQL database",
    "io_intelligence_watch": "needs the event of a triggerer; wheel_check runs its trigger",
}
"""The sample Dags, and why one is not run here by itself."""
UNPINNED: Final = frozenset({"gcs"})
"""Extras that want older versions (protobuf, tenacity) than the tests: only Airflow is pinned for them."""
OBJECT_STORES: Final = {
    "gcs": (
        "gs://wheel/store",
        "GCSFileSystem",
        {"conn_type": "google_cloud_platform", "extra": {"is_anonymous": True, "project": "wheel"}},
    ),
    "azure": (
        "abfs://wheel/store",
        "AzureBlobFileSystem",
        {"conn_type": "wasb", "password": "d2hlZWw=", "host": "http://127.0.0.1:1"}
        | {"extra": {"account_name": "wheel"}},
    ),
}


def run(*command: str | Path, **environment: str) -> str:
    """Run a command, show how long it took, return what it printed; a failure ends the check."""
    started = time.monotonic()
    done = subprocess.run(
        [str(part) for part in command],
        env=clean_environment() | environment,
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
    )
    shown = " ".join(part.name if isinstance(part, Path) else part for part in command)
    failed = "  FAILED" if done.returncode else ""
    print(f"+ {shown}  {time.monotonic() - started:.0f} s{failed}", flush=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-20_000:]}\n{done.stderr[-20_000:]}\nexit code {done.returncode}: {shown}")
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return the environment without what leads to another installation or another Airflow."""
    others = ("AIRFLOW", "PYTHON", "VIRTUAL_ENV", "IO_INTELLIGENCE")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


@contextmanager
def serving(ready: str, *command: str | Path, **environment: str) -> Iterator[re.Match[str]]:
    """Run a server while the block runs, once its output matches ``ready``; end it as Ctrl-C does."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=clean_environment() | {"PYTHONUNBUFFERED": "1"} | environment,
            cwd=tempfile.gettempdir(),
            stdout=output,
            stderr=output,
            text=True,
        )

        def printed() -> str:
            output.seek(0)
            return output.read()

        try:
            deadline = time.monotonic() + PATIENCE
            while not (found := re.search(ready, printed(), re.DOTALL)):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{printed()[-20_000:]}\ndoes not serve: {' '.join(map(str, command))}")
                time.sleep(0.2)
            yield found
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(FAREWELL)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def build() -> Path:
    """Build the wheel into ``dist/``, where it replaces those of earlier builds."""
    for old in (REPO / "dist").glob(f"{NAME}-*.whl"):
        old.unlink()
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", REPO / "dist", REPO)
    (wheel,) = (REPO / "dist").glob(f"{NAME}-*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """The wheel in an environment of its own.

    :param work: the folder that holds it, and what is written.
    """

    work: Path
    bin: Path

    @classmethod
    def fresh(cls, work: Path, wheel: Path, *extras: str) -> Installed:
        """Make an environment and install the wheel with its declared dependencies and some extras."""
        venv = work / "-".join(("venv", *extras))
        wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        run(UV, "venv", "--quiet", "--python", sys.executable, venv)
        constraints = REPO / "constraints.txt"
        if UNPINNED & set(extras):
            pins = constraints.read_text("utf-8").splitlines()
            constraints = work / "airflow.txt"
            constraints.write_text("\n".join(pin for pin in pins if pin.startswith("apache-airflow==")))
        python = venv / "bin" / "python"
        run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", constraints, wanted)
        return cls(work, venv / "bin")

    @property
    def airflow(self) -> dict[str, str]:
        """Return the environment variables of the Airflow that the demo set up."""
        demo = self.work / "demo"
        return {
            "AIRFLOW_HOME": str(demo / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(demo / "airflow" / "dags"),
            "AIRFLOW__IO_INTELLIGENCE__ROOT": str(demo / "store"),
            "WHEEL_WORK": str(self.work),
        }

    def inside(self, step: str, *arguments: str, **environment: str) -> None:
        """Run a step of ``inside.py``."""
        python = (self.bin / "python", "-W", "error::ImportWarning")
        print(run(*python, INSIDE / "inside.py", step, *arguments, **environment), end="")

    def command(self, *arguments: str) -> str:
        """Run a command of ``io-intelligence``."""
        return run(self.bin / "io-intelligence", *arguments)

    def dag(self, dag_id: str, file: Path, **environment: str) -> None:
        """Run a Dag once, for real; a task that fails ends the check."""
        run(self.bin / "airflow", "dags", "test", "-f", file, dag_id, **self.airflow | environment)


def check_commands(wheel: Installed, url: str) -> None:
    """Run every command of ``io-intelligence`` that its help lists."""
    root, rules = str(wheel.work / "commands"), wheel.work / "rules.yaml"
    rules.write_text("- {name: prices, changes: price_changed, min_pct: 1}\n")
    at = ("--root", root)
    wheel.command("replay", *at, "--start", "2026-06-26", "--end", "2026-06-29")
    wheel.command("snapshot", *at, "--url", url)
    if "GLM" not in wheel.command("show", *at, "--search", "GLM"):
        sys.exit("show does not print a model that is on file")
    if not json.loads(wheel.command("changes", *at, "--json")):
        sys.exit("changes --json prints nothing")
    if "%" not in wheel.command("alert", *at, "--dry-run", "--rules", str(rules)):
        sys.exit("alert --dry-run prints no change")
    if not json.loads(wheel.command("export", *at, "--format", "litellm", "--out", "-")):
        sys.exit("export prints no model")
    wheel.command("init-dag", wheel.airflow["AIRFLOW__CORE__DAGS_FOLDER"])  # a folder that is not there yet
    ran = {"replay", "snapshot", "show", "changes", "alert", "export", "init-dag", "emulate"}
    listed = set(re.findall(r"^    ([a-z-]+) ", wheel.command("--help"), re.MULTILINE))
    if listed != ran:
        sys.exit(f"`io-intelligence --help` lists {sorted(listed)}, and {sorted(ran)} are run here")


def check_dags(wheel: Installed, connections: dict[str, str]) -> None:
    """Run our own Dag and the sample Dags in the Airflow that the demo set up."""
    dags = Path(wheel.airflow["AIRFLOW__CORE__DAGS_FOLDER"])
    with Receiver() as receiver:
        webhook = json.dumps({"conn_type": "generic", "host": receiver.url})
        connections = connections | {"AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK": webhook}
        wheel.dag("wheel_check", dags / "wheel_dags.py", **connections)
        if not receiver.messages:
            sys.exit("The alert of wheel_check sent no message")
    found = {path.stem for path in dags.glob("io_intelligence_*.py")}
    if found != SAMPLES.keys():
        sys.exit(f"The sample Dags are {sorted(found)}, and {sorted(SAMPLES)} are known here")
    for name, reason in SAMPLES.items():
        if reason:
            print(f"  {name}: {reason}")
        else:
            wheel.dag(name, dags / f"{name}.py", **connections)


def check_wheel(work: Path, file: Path) -> None:
    """Check the wheel with its declared dependencies, then each extra that ``.ci/run`` has time for."""
    wheel = Installed.fresh(work, file)
    wheel.inside("installed")
    wheel.inside("without_pandas", str(work))
    names = ("datasets.md", "pandera.md", "history-checks.md")
    wheel.inside("pages", *(str(REPO / "docs" / name) for name in names))
    demo = (wheel.bin / "python", "-m", "io_intelligence_provider.cli.demo", work / "demo")
    run(*demo, EMULATOR_PORT="0")  # `make demo` may run beside it
    # An earlier state than the demo's last: the trigger and the changes have something to find.
    emulate = (wheel.bin / "io-intelligence", "emulate", "--port", "0", "--as-of", "2026-06-20")
    with serving(r"(http://127\.0\.0\.1:\d+)", *emulate) as emulator:
        url = emulator[1]
        connection = json.dumps({"conn_type": "io_intelligence", "host": url})
        connections = {"AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT": connection}
        wheel.inside("exports", url, str(work / "exports"))
        check_commands(wheel, url)
        shutil.copy(INSIDE / "wheel_dags.py", wheel.airflow["AIRFLOW__CORE__DAGS_FOLDER"])
        wheel.inside("in_airflow", **wheel.airflow)
        check_dags(wheel, connections)
        ui = (
            wheel.bin / "python",
            "-m",
            "io_intelligence_provider.cli.ui",
            work / "ui",
            work / "demo" / "store",
        )
        page = r"(http://localhost:\d+)/plugin/.*?Log in as +(\w+), password (\S+)"
        with serving(page, *ui, PORT=str(free_port()), EMULATOR_PORT="0") as welcome:
            wheel.inside("routes", *welcome.groups())
        check_extra(work, file, "pandas")
        check_extra(work, file, "openlineage")
        check_s3(work, file, connections)
    print(f"dist/{file.name}: everything in it runs with what it declares")


def check_extra(work: Path, file: Path, extra: str) -> None:
    """Install the wheel with an extra and run what that adds."""
    wheel = Installed.fresh(work, file, extra)
    if extra in OBJECT_STORES:
        url, kind, connection = OBJECT_STORES[extra]
        named = {"AIRFLOW_CONN_WHEEL": json.dumps(connection)}
        wheel.inside("with_file_system", url, "wheel", kind, **wheel.airflow | named)
        return
    wheel.inside(f"with_{extra}", str(work), **wheel.airflow)


def check_s3(work: Path, file: Path, connections: dict[str, str]) -> None:
    """File a snapshot on a local S3 server, by the connection of a Dag. The server is not the wheel's."""
    wheel = Installed.fresh(work, file, "s3")
    port = free_port()
    server = (sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port))
    with serving("Running on", *server):
        url = f"http://127.0.0.1:{port}"
        urllib3.request("PUT", f"{url}/wheel", retries=False, timeout=60)  # makes the bucket
        extra = {"endpoint_url": url, "region_name": "us-east-1"}
        aws = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
        connections = connections | {"AIRFLOW_CONN_WHEEL_S3": json.dumps(aws)}
        wheel.dag(
            "wheel_s3", Path(wheel.airflow["AIRFLOW__CORE__DAGS_FOLDER"], "wheel_dags.py"), **connections
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Build and check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--extras", nargs="+", metavar="EXTRA", help="check these alone: gcs, azure, spark, …"
    )
    extras = parser.parse_args(arguments).extras
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="io-intelligence-wheel-") as folder:
        file = build()
        for extra in extras or ():
            check_extra(Path(folder), file, extra)
        if not extras:
            check_wheel(Path(folder), file)
    print(f"{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
