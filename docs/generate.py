"""Write the tables of the documentation that code and pyproject.toml determine; ``--check`` only compares.

Run by ``make docs`` and, with ``--check``, by a test: a page that is behind the code fails.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from io_intelligence_provider.changes.kinds import (
    ATTRIBUTE,
    FIELDS,
    KINDS,
    MODEL_ADDED,
    MODEL_REMOVED,
    kind_of,
)
from io_intelligence_provider.contract.columns import COLUMNS
from io_intelligence_provider.store.layout import changes_schema

HERE: Final = Path(__file__).parent
REPO: Final = HERE.parent


def columns_table() -> str:
    """Return the columns of ``models.parquet``."""
    lines = ["| column | type | unit | null | what it is |", "|---|---|---|---|---|"]
    for column in COLUMNS:
        kind = column.kind.value.partition(" (")[0]
        null = "yes" if column.nullable else "never"
        lines.append(f"| `{column.name}` | {kind} | {column.unit or ''} | {null} | {column.description} |")
    return "\n".join(lines)


def changes_table() -> str:
    """Return the columns of ``changes.parquet``."""
    lines = ["| column | type | null | what it is |", "|---|---|---|---|"]
    for field in changes_schema():
        null = "yes" if field.nullable else "never"
        lines.append(
            f"| `{field.name}` | {field.type} | {null} | {field.metadata[b'description'].decode()} |"
        )
    return "\n".join(lines)


_WHOLE: Final = {
    MODEL_ADDED: "the whole model: it was not listed before",
    MODEL_REMOVED: "the whole model: it is not listed any more",
    ATTRIBUTE: "every other column; each key of `extra` as `extra.<key>`",
}


def kinds_table() -> str:
    """Return the kinds of change and the columns of each."""
    lines = ["| `change` | of |", "|---|---|"]
    for kind in KINDS:
        fields = ", ".join(f"`{field}`" for field in FIELDS if kind_of(field) == kind)
        lines.append(f"| `{kind}` | {_WHOLE.get(kind, fields)} |")
    return "\n".join(lines)


_NAMED: Final = ("apache-airflow", "fsspec", "pandera", "polars", "pyarrow", "requests", "pandas", "pyspark")


def versions_table() -> str:
    """Return the declared ranges of Python and the main dependencies, and what ``constraints.txt`` pins."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (REPO / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    lines = ["| | allowed | in `constraints.txt` |", "|---|---|---|"]
    lines.append(f"| Python | {_spaced(project['requires-python'])} | any of these |")
    for extra, requirements in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for requirement in requirements:
            name, specifier = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?(.*)", requirement).groups()
            if name in _NAMED and not any(line.startswith(f"| {name} ") for line in lines):
                of = f"(extra `{extra}`) " if extra else ""
                lines.append(f"| {name} {of}| {_spaced(specifier)} | {pins[name]} |")
    return "\n".join(lines)


def _spaced(specifier: str) -> str:
    return ", ".join(f"`{part}`" for part in specifier.split(","))


def version_runs_table() -> str:
    """Return what ``make versions`` recorded in ``versions.json``."""
    recorded = HERE / "versions.json"
    if not recorded.exists():
        return "Nothing was recorded yet."
    runs = json.loads(recorded.read_text("utf-8"))
    names = [name for name in next(iter(runs.values())) if name not in _COUNTS]
    lines = [f"| session | {' | '.join(names)} | passed | skipped |", "|---" * (len(names) + 3) + "|"]
    for session, run in runs.items():
        passed = run["tests"] - run["skipped"] - run["failures"] - run["errors"]
        cells = [str(run[name]) for name in names]
        failed = run["failures"] + run["errors"]
        lines.append(
            f"| `{session}` | {' | '.join(cells)} | {passed}{f', {failed} failed' if failed else ''} "
            f"| {run['skipped']} |"
        )
    return "\n".join(lines)


_COUNTS: Final = ("tests", "skipped", "failures", "errors")

TABLES: Final[dict[str, Callable[[], str]]] = {
    "columns": columns_table,
    "changes": changes_table,
    "kinds": kinds_table,
    "versions": versions_table,
    "version runs": version_runs_table,
}


def with_tables(text: str) -> str:
    """Return a page with the text between its markers renewed."""
    for name, table in TABLES.items():
        start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        if start in text:
            head, _, rest = text.partition(start)
            _, _, tail = rest.partition(end)
            text = f"{head}{start}\n{table()}\n{end}{tail}"
    return text


def main(check: bool) -> int:
    """Renew the pages, or tell which are behind."""
    behind = []
    for page in sorted(HERE.glob("*.md")):
        text = page.read_text("utf-8")
        if (renewed := with_tables(text)) != text:
            behind.append(page.name)
            if not check:
                page.write_text(renewed, "utf-8")
    print(f"{'behind' if check else 'renewed'}: {', '.join(behind) or 'none'}")
    return int(check and bool(behind))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
