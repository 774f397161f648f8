"""Implements ``io-intelligence export``, which writes a snapshot's prices in the form of another tool."""

from __future__ import annotations

import argparse
import sys

from io_intelligence_provider.cli.arguments import (
    add_date_argument,
    add_json_argument,
    add_root_argument,
    print_json,
)

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Write the prices of a snapshot as one JSON file: for LiteLLM, or for clients of OpenRouter. Models whose price
is unknown or doubtful are left out and named.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("export", help="export prices for another tool", description=DESCRIPTION)
    parser.add_argument("--format", choices=("litellm", "openrouter"), required=True)
    parser.add_argument("--out", metavar="FILE", required=True, help="a path or an fsspec URL; - prints it")
    add_root_argument(parser)
    add_date_argument(parser)
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
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
