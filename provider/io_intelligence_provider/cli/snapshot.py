"""Implements ``io-intelligence snapshot``, which fetches, checks and files the catalogue."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from io_intelligence_provider.cli.arguments import (
    add_client_arguments,
    add_json_argument,
    add_root_argument,
    api_key,
    print_json,
)

__all__ = ["add_parser", "run"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "snapshot",
        help="fetch, check and file the catalogue now",
        description="Fetch the catalogue, check every record and file the valid ones as a snapshot.",
    )
    add_root_argument(parser)
    add_client_arguments(parser)
    parser.add_argument(
        "--date", type=date.fromisoformat, metavar="DATE", help="date to file under (default: today, UTC)"
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
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
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
