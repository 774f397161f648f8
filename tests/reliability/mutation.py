"""Runs mutmut on modules of the pure rooms, and prints the mutants that no test notices.

``mutation.py MUTMUT MODULE…``: MUTMUT is the command of mutmut, see ``make mutation``; a MODULE is ``text``
or ``changes/diff``. What the module's own tests do not notice is tried again with those of its folder. Each
module has a folder below ``.mutation/``, where mutmut keeps its results for the next run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGE = "io_intelligence_provider"
CONFIGURATION = """
[tool.mutmut]
source_paths = ["{package}"]
only_mutate = ["{package}/{module}.py"]
also_copy = [".gitignore", "forget.py"]
process_isolation = "forkserver" # a session of pytest removes its folders in the process that made them
pytest_add_cli_args = [
    "-p", "forget", "-m", "not long", "--numprocesses=0", "--hypothesis-profile=few", "--hypothesis-seed=0",
]
pytest_add_cli_args_test_selection = {tests}
"""
FORGET = f"""
import sys

def pytest_runtest_setup():
    for name in [name for name in sys.modules if name.startswith("{PACKAGE}")]:
        for value in vars(sys.modules[name]).values():
            getattr(value, "cache_clear", int)()
"""
"""Empties the caches before each test. What one filled, such as a schema, would hide code from the next."""
NOTICED = {1: "killed", 3: "killed"}
UNNOTICED = {0: "survived", 5: "no test", 33: "no test", None: "not run"}
"""By mutmut's exit code. Others are time limits and crashes, by which a mutant is noticed too."""


def prepare(folder: Path, module: str, tests: list[str]) -> None:
    """Make a folder in which mutmut finds the package as it is imported: not below ``provider/``."""
    shutil.rmtree(folder / "tests", ignore_errors=True)
    (folder / "tests").mkdir(parents=True)
    links = {PACKAGE: REPOSITORY / "provider" / PACKAGE}
    links |= {f"tests/{path.name}": path for path in (REPOSITORY / "tests").iterdir()}
    del links["tests/javascript"]  # has the modules of npm beside it, which mutmut would copy
    for name, target in links.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
    added = CONFIGURATION.format(package=PACKAGE, module=module, tests=json.dumps(tests))
    shutil.copy(REPOSITORY / ".gitignore", folder)
    (folder / "forget.py").write_text(FORGET, "utf-8")
    (folder / "pyproject.toml").write_text(
        (REPOSITORY / "pyproject.toml").read_text("utf-8") + added, "utf-8"
    )


def tests_of(folder: Path, name: str) -> list[str]:
    """Return the test files of a name in a folder of tests."""
    found = REPOSITORY.glob(str(folder / f"test_{name}.py"))
    return sorted(str(path.relative_to(REPOSITORY)) for path in found)


def mutate(mutmut: str, module: str) -> None:
    """Run mutmut on a module, and print what is not noticed and the figures."""
    if not (REPOSITORY / "provider" / PACKAGE / f"{module}.py").exists():
        sys.exit(f"There is no module {module}; give one such as text or changes/values.")
    room, name = Path("tests", module).parent, f"{Path(module).name}*"
    own, others = tests_of(room, name) or tests_of(Path("tests/*"), name), tests_of(room, "*")
    # mutmut forgets its results when the tests are others, so that each choice of tests has its folder.
    folder = REPOSITORY / ".mutation" / module.replace("/", ".")
    codes = results(mutmut, folder, module, own or others)
    # The tests beside those of a module without a folder cannot all run in mutmut's.
    if own and own != others and "/" in module and (left := unnoticed(codes)):
        found = results(mutmut, folder.with_name(f"{folder.name}.folder"), module, others, *left)
        codes |= {name: found[name] for name in left}
    for name in unnoticed(codes):
        command = [mutmut, "show", name]
        shown = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        lines = [line for line in shown.splitlines()[3:] if line.startswith(("-", "+"))]
        print(name.rpartition(".")[2], UNNOTICED[codes[name]], *lines, sep="\n", flush=True)
    counts = Counter((UNNOTICED | NOTICED).get(code, "time limit or crash") for code in codes.values())
    print(f"{module}: {counts.total()} mutants, {dict(counts)}", flush=True)


def results(mutmut: str, folder: Path, module: str, tests: list[str], *names: str) -> dict[str, int | None]:
    """Return mutmut's exit code of each mutant. What was not noticed in an earlier run is tried again.

    :param names: the mutants to try, all unless given.
    """
    prepare(folder, module, tests)
    meta = folder / "mutants" / PACKAGE / f"{module}.py.meta"

    def run(*chosen: str) -> None:
        with (folder / "mutmut.log").open("w") as log:
            command = [mutmut, "run", "--max-children", "1", *chosen]
            subprocess.run(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=True)

    def codes() -> dict[str, int | None]:
        return dict(json.loads(meta.read_text("utf-8"))["exit_code_by_key"]) if meta.exists() else {}

    before = unnoticed(codes())
    run(*names)
    if again := [] if names else [name for name in unnoticed(codes()) if name in before]:
        run(*again)
    return codes()


def unnoticed(codes: dict[str, int | None]) -> list[str]:
    """Return the names of the mutants that no test noticed."""
    return [name for name, code in codes.items() if code in UNNOTICED]


if __name__ == "__main__":
    for chosen in sys.argv[2:]:
        mutate(str(Path(sys.argv[1]).absolute()), chosen)
