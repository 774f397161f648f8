"""Build the wheel, install it into an empty environment and see what a user would have.

Run by ``make wheel``: entry points, provider metadata against Airflow's schema, the console script, the
sample Dag as Airflow parses it. Not a pytest file: it installs packages, and pytest installs nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

REPO: Final = Path(__file__).parents[1]

INSIDE: Final = """
import json, sys
from importlib.metadata import entry_points, version
from pathlib import Path
import airflow, io_intelligence_provider
package = Path(io_intelligence_provider.__file__).parent
assert "site-packages" in package.parts, package
assert version("airflow-provider-io-intelligence") == io_intelligence_provider.__version__
(entry,) = [e for e in entry_points(group="apache_airflow_provider") if "io_intelligence" in e.value]
info = entry.load()()
from jsonschema import validate
validate(info, json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text()))
for name in (
    "py.typed", "emulator/data/io_net_prices_2026h1.jsonl",
    "quality/report.html.j2", "quality/report.schema.json",
    "plugin/static/index.html", "plugin/static/app.js", "plugin/static/css/page.css",
):
    assert (package / name).is_file(), name
(plugin,) = [e for e in entry_points(group="airflow.plugins") if "io_intelligence" in e.value]
assert plugin.load().external_views, "no page in the plugin"
assert list((package / "example_dags").glob("*.py")), "no sample Dag in the wheel"
print("wheel:", version("airflow-provider-io-intelligence"), "metadata valid")
"""


def run(*command: str | Path, **environment: str) -> str:
    """Run a command, show it, and return what it printed; a failure ends the check."""
    shown = (part.name if isinstance(part, Path) else part.strip().partition("\n")[0] for part in command)
    print("+", *shown, flush=True)
    done = subprocess.run(
        [str(part) for part in command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\nexit code {done.returncode}")
    return done.stdout


def main() -> None:
    """Build, install, look."""
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory(prefix="io-intelligence-wheel-") as folder:
        work = Path(folder)
        run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", work / "dist", REPO)
        (wheel,) = (work / "dist").glob("*.whl")
        python, constraints = work / "venv" / "bin" / "python", REPO / "constraints.txt"
        run(uv, "venv", "--quiet", "--python", sys.executable, work / "venv")
        run(
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
            "--constraint",
            constraints,
            wheel,
            "jsonschema",
        )
        home = {"AIRFLOW_HOME": str(work / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        print(run(python, "-W", "error::ImportWarning", "-c", INSIDE, **home), end="")
        dags = work / "dags"
        dags.mkdir()
        run(python.with_name("io-intelligence"), "init-dag", dags)
        # Really file something: what a developer has installed beside (pandas, numpy) is not here.
        store = work / "store"
        run(python.with_name("io-intelligence"), "replay", "--root", store, "--end", "2026-02-21", **home)
        print(run(python.with_name("io-intelligence"), "show", "--root", store, "--search", "GLM", **home))
        home["AIRFLOW__CORE__DAGS_FOLDER"] = str(dags)
        run(python.with_name("airflow"), "db", "migrate", **home)
        listed = run(python.with_name("airflow"), "dags", "list", "--local", "--output", "plain", **home)
        errors = run(python.with_name("airflow"), "dags", "list-import-errors", "--local", **home)
        if "io_intelligence_daily_pricing" not in listed:
            sys.exit(f"Airflow does not find the sample Dag:\n{listed}\n{errors}")
        if "No data found" not in errors:
            sys.exit(f"Airflow cannot import the sample Dags:\n{errors}")
        providers = run(python.with_name("airflow"), "providers", "list", "--output", "plain", **home)
        if "airflow-provider-io-intelligence" not in providers:
            sys.exit(f"Airflow does not list the provider:\n{providers}")
        print("wheel: installs into an empty environment, Airflow lists the provider and imports its Dags")


if __name__ == "__main__":
    main()
