"""Implements ``io-intelligence alert --dry-run``, which prints the digest of a day."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from io_intelligence_provider.cli.arguments import add_date_argument, add_root_argument
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["FORMATS", "add_parser", "run"]

FORMATS: Final = ("text", "markdown", "html", "slack")

DESCRIPTION = """\
Show the message that alert rules give for a day, as for a notifier that was sent nothing before. The command
sends and writes nothing; the daily Dag sends the messages and records them.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("alert", help="show what alert rules would send", description=DESCRIPTION)
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
        "--format", choices=FORMATS, default="text", help="form of the message (default: %(default)s)"
    )
    parser.add_argument(
        "--max-lines",
        type=int,
        metavar="N",
        help="number of lines to show, one a model; the message says how many changes are left out",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
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
