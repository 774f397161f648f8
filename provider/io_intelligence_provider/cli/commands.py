"""Implements the commands that work on a store: snapshot, show, changes, alert, export and init-dag."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, datetime
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from io_intelligence_provider.cli.arguments import (
    add_client_arguments,
    add_date_argument,
    add_json_argument,
    add_root_argument,
    api_key,
    iso_date,
    positive_integer,
    print_json,
)
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from io_intelligence_provider.changes.detect import ChangesSummary
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "DAG_ID",
    "SETTINGS",
    "add_alert",
    "add_changes",
    "add_export",
    "add_init_dag",
    "add_show",
    "add_snapshot",
    "example_dags",
    "find_changes",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - it has no other name

DAG_ID: Final = "io_intelligence_daily_pricing"
"""The sample Dag that the demo runs."""

SETTINGS: Final = "io_intelligence_settings"
"""The module with the notifiers and rules of all sample Dags."""

_PACKAGE: Final = "io_intelligence_provider"


def add_snapshot(commands: Commands) -> None:
    """Register ``snapshot``."""
    parser = commands.add_parser(
        "snapshot",
        help="fetch, check and file the catalogue now",
        description="Fetch the catalogue, check every record and file the valid ones as a snapshot.",
    )
    add_root_argument(parser)
    add_client_arguments(parser)
    parser.add_argument(
        "--date", type=iso_date, metavar="DATE", help="date to file under (default: today, UTC)"
    )
    parser.add_argument("--q", metavar="TERM", help="the API's search term; a root belongs to one")
    parser.add_argument(
        "--fail-on",
        choices=("error", "warn", "never"),
        default="error",
        help="which failed checks stop the commit (default: %(default)s)",
    )
    parser.add_argument(
        "--max-quarantine-share",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of refused records above which the commit is stopped (default: %(default)s)",
    )
    add_json_argument(parser)
    parser.set_defaults(run=_snapshot)


def _snapshot(args: argparse.Namespace) -> int:
    """File one snapshot."""
    from io_intelligence_provider.catalog.client import IOIntelligenceClient
    from io_intelligence_provider.snapshot import take_snapshot
    from io_intelligence_provider.store.store import SnapshotStore

    settings: dict[str, Any] = {"base_url": args.url} if args.url else {}
    with IOIntelligenceClient(token=api_key(args.api_key_env), **settings) as client:
        summary = take_snapshot(
            client,
            SnapshotStore(args.root),
            snapshot_date=args.date,
            q=args.q,
            page_size=args.page_size,
            fail_on=args.fail_on,
            max_quarantine_share=args.max_quarantine_share,
        )
    if args.json:
        print_json(summary.to_dict())
    else:
        print(
            f"{summary.snapshot_date}: {summary.rows} models filed, {summary.quarantined} quarantined, "
            f"{summary.outcome} (score {summary.score:g})\n{summary.path}"
        )
    return 0


_SHOW: Final = """\
Print the models and prices of a snapshot, and draw the output price of each model over the 30 days up to it
(15 below 120 columns) on a scale of its own; a dot is a day on which the price is unknown. Columns that do
not fit the terminal are left out and named.
"""


def add_show(commands: Commands) -> None:
    """Register ``show``."""
    parser = commands.add_parser("show", help="show a snapshot", description=_SHOW)
    add_root_argument(parser)
    add_date_argument(parser)
    parser.add_argument("--search", metavar="TEXT", default="", help="only names that hold this text")
    add_json_argument(parser)
    parser.set_defaults(run=_show)


def _show(args: argparse.Namespace) -> int:
    """Print one snapshot."""
    from io_intelligence_provider.store.store import SnapshotStore

    store = SnapshotStore(args.root)
    day = store.resolve(args.date or "latest")
    wanted = args.search.casefold()
    rows = [row for row in store.read(day).to_pylist() if wanted in row["name"].casefold()]
    if args.json:
        print_json([_model_values(row) for row in rows])
        return 0
    from io_intelligence_provider.cli.tables import Trends, models_table, terminal

    try:
        report = store.quality(day)
        checked = f"{report.quarantined} quarantined, {report.outcome}"
    except StorageError as error:
        print(f"io-intelligence: {error}", file=sys.stderr)
        checked = "quality unknown"
    title = f"{day}: {len(rows)} models, {checked}"
    console = terminal()
    console.print(models_table(console, rows, title, Trends(store, day, ["output_token_price"])))
    return 0


def _model_values(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON values; prices are decimal text, so that they stay exact."""
    plain: dict[str, Any] = {}
    for key, value in row.items():
        if key in PRICE_COLUMNS and isinstance(value, Decimal):
            text = f"{value:f}"
            plain[key] = text.rstrip("0").rstrip(".") if "." in text else text
        else:
            plain[key] = value.isoformat() if isinstance(value, datetime) else value
    return plain


_CHANGES: Final = """\
Compare the snapshot of a day with the one before and print every change. Like the daily Dag it files
changes.parquet, and a rerun files the same; with --against a date nothing is written.
"""


def add_changes(commands: Commands) -> None:
    """Register ``changes``."""
    parser = commands.add_parser("changes", help="show what changed on a day", description=_CHANGES)
    add_root_argument(parser)
    add_date_argument(parser)
    parser.add_argument(
        "--against",
        metavar="DATE",
        default="previous",
        help="an earlier date on file to compare with (default: %(default)s)",
    )
    parser.add_argument(
        "--min-pct",
        type=float,
        metavar="PCT",
        help="only changes of at least so many per cent, and those that have no percentage",
    )
    add_json_argument(parser)
    parser.set_defaults(run=_changes)


def _changes(args: argparse.Namespace) -> int:
    """Print the changes of one day."""
    from io_intelligence_provider.store.store import SnapshotStore

    if args.min_pct is not None and not args.min_pct >= 0:
        raise ConfigurationError(f"--min-pct is {args.min_pct:g}; it must be 0 or more.")
    store = SnapshotStore(args.root)
    summary, rows = find_changes(store, args.date, args.against)
    least = args.min_pct or 0.0
    shown = [row for row in rows if row["pct"] is None or abs(row["pct"]) >= least]
    if args.json:
        print_json(summary.to_dict() | {"changes": [_change_values(row) for row in shown]})
        return 0
    from io_intelligence_provider.changes.kinds import NUMERIC_FIELDS
    from io_intelligence_provider.cli.tables import Trends, changes_table, terminal

    console = terminal()
    if summary.previous_date is None:
        console.print(f"{summary.snapshot_date} is the first snapshot on file: there is nothing to compare.")
        return 0
    hidden = f", {len(rows) - len(shown)} below {least:g} % not shown" if len(shown) < len(rows) else ""
    title = f"Changes on {summary.snapshot_date} since {summary.previous_date}: {len(rows)}{hidden}"
    numbers = {row["field"] for row in shown} & set(NUMERIC_FIELDS)
    trends = Trends(store, summary.snapshot_date, sorted(numbers)) if numbers else None
    console.print(changes_table(console, shown, title, trends))
    return 0


def find_changes(
    store: SnapshotStore, day: date | None = None, against: str = "previous"
) -> tuple[ChangesSummary, list[dict[str, Any]]]:
    """Return the changes of a day as rows of ``changes.parquet``; store them if against the previous day.

    :raises NotOnFileError: when there is no such snapshot.
    :raises ConfigurationError: when ``against`` is not an earlier date.
    """
    from io_intelligence_provider.changes.detect import compare_days, detect_changes

    summary = detect_changes(store, day, against)
    if against == "previous":
        table = store.changes(summary.snapshot_date, summary.snapshot_date)
        return summary, table.drop_columns(["snapshot_date"]).to_pylist()
    return summary, compare_days(store, day, against).changes.to_pylist()


def _change_values(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"previous_date": row["previous_date"].isoformat()}


_ALERT: Final = """\
Show the message that alert rules give for a day, as for a notifier that was sent nothing before. The command
sends and writes nothing; the daily Dag sends the messages and records them.
"""


def add_alert(commands: Commands) -> None:
    """Register ``alert``."""
    parser = commands.add_parser("alert", help="show what alert rules would send", description=_ALERT)
    add_root_argument(parser)
    add_date_argument(parser)
    parser.add_argument("--dry-run", action="store_true", help="required: the command only shows the message")
    parser.add_argument("--rules", metavar="FILE", required=True, help="alert rules, YAML or JSON")
    parser.add_argument(
        "--traffic",
        metavar="FILE",
        help="tokens a month of each model, YAML or JSON: adds what the price changes cost",
    )
    parser.add_argument(
        "--format",
        choices=("text", "markdown", "html", "slack"),
        default="text",
        help="form of the message (default: %(default)s)",
    )
    parser.add_argument(
        "--max-lines",
        type=positive_integer,
        metavar="N",
        help="number of lines to show, one a model; the message says how many changes are left out",
    )
    parser.set_defaults(run=_alert)


def _alert(args: argparse.Namespace) -> int:
    """Print the digest, or that there is none."""
    from io_intelligence_provider.alerts.evaluate import evaluate
    from io_intelligence_provider.alerts.message import MAX_LINES, blocks
    from io_intelligence_provider.alerts.rendering import to_html, to_markdown, to_slack, to_text
    from io_intelligence_provider.alerts.rules import rules_from
    from io_intelligence_provider.alerts.traffic import traffic_from
    from io_intelligence_provider.store.store import SnapshotStore

    if not args.dry_run:
        raise ConfigurationError(
            "Give --dry-run: this command only shows the message. The daily Dag's task `alert` sends it."
        )
    rules = rules_from(Path(args.rules))
    traffic = None if args.traffic is None else traffic_from(Path(args.traffic))
    digest = evaluate(SnapshotStore(args.root), rules, args.date, traffic=traffic)
    found = blocks(digest, max_lines=MAX_LINES if args.max_lines is None else args.max_lines)
    if args.format == "slack":
        print(json.dumps({"blocks": to_slack(found) if digest else []}, indent=1))
    elif digest:
        render = {"text": to_text, "markdown": to_markdown, "html": to_html}[args.format]
        print(render(found), end="")
    else:
        print(f"{digest.snapshot_date}: no change of that day matches the rules.")
    return 0


_EXPORT: Final = """\
Write the prices of a snapshot as one JSON file: for LiteLLM, or for clients of OpenRouter. Models whose price
is unknown or doubtful are left out and named.
"""


def add_export(commands: Commands) -> None:
    """Register ``export``."""
    parser = commands.add_parser("export", help="export prices for another tool", description=_EXPORT)
    parser.add_argument("--format", choices=("litellm", "openrouter"), required=True)
    parser.add_argument("--out", metavar="FILE", required=True, help="a path or an fsspec URL; - prints it")
    add_root_argument(parser)
    add_date_argument(parser)
    add_json_argument(parser)
    parser.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    """Write one file."""
    from io_intelligence_provider.export import build_export, write_export
    from io_intelligence_provider.store.store import SnapshotStore

    export = build_export(SnapshotStore(args.root), args.format, args.date or "latest")
    for message in export.messages():
        print(message, file=sys.stderr)
    if args.out == "-":
        print(export.data.decode(), end="")
        return 0
    summary = {**export.summary(), "path": write_export(export, args.out)}
    if args.json:
        print_json(summary)
    else:
        print(f"{summary['models']} models of {summary['snapshot_date']}: {summary['path']}")
    return 0


def add_init_dag(commands: Commands) -> None:
    """Register ``init-dag``."""
    parser = commands.add_parser(
        "init-dag", help="copy the sample Dags into a Dags folder", description="Copy the sample Dags."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", help="the Dags folder, or one below; created if it is missing"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace Dags of the same name that differ; settings are kept"
    )
    parser.set_defaults(run=_init_dag)


def _init_dag(args: argparse.Namespace) -> int:
    """Copy the Dags into a folder, which is created if it is missing, as in a new Airflow.

    If a Dag exists and differs, nothing is copied unless ``--force``. Changed settings are kept even then:
    without the user's notifiers, alerts would cease, and nobody would be told.
    """
    if not args.folder.strip():
        raise ConfigurationError("FOLDER is blank; give the Dags folder.")
    folder = Path(args.folder).expanduser()
    dags = {folder / source.name: source.read_text("utf-8") for source in example_dags()}
    settings = folder / f"{SETTINGS}.py"
    try:
        if settings.exists() and settings.read_text("utf-8") != dags[settings]:
            del dags[settings]
            print(f"Kept {settings}: it differs from the sample.", file=sys.stderr)
        if not args.force:
            for target, text in dags.items():
                if target.exists() and target.read_text("utf-8") != text:
                    raise ConfigurationError(f"{target} exists and differs; --force replaces it.")
        if not folder.is_dir():
            folder.mkdir(parents=True)
            print(f"Created the folder {folder}")
        for target, text in dags.items():
            target.write_text(text, "utf-8")
            print(target)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"The sample Dags could not be copied into {folder}: {error}. Give another folder."
        ) from error
    return 0


def example_dags() -> list[Path]:
    """Return the files of the sample Dags: from the wheel, or from ``dags/`` of a checkout."""
    package = Path(str(resources.files(_PACKAGE)))
    for folder in (package / "example_dags", package.parents[1] / "dags"):
        if found := sorted(folder.glob("*.py")):
            return found
    raise ConfigurationError("The sample Dags are missing from this installation; install the wheel again.")
