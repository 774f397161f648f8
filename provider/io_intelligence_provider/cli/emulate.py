"""Implements ``io-intelligence emulate``, which serves the models endpoint on this machine, with faults."""

from __future__ import annotations

import json
import os
import sys
from datetime import date
from typing import TYPE_CHECKING

from io_intelligence_provider.cli.arguments import EMULATOR_PORT
from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from io_intelligence_provider.emulator.catalogue import Catalogue

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Serve the models endpoint of IO Intelligence from a bundled price history, to test a Dag, also
against faults. Without --api-key-env every request is accepted.
"""

FAULT_HELP = """\
a fault; may be repeated. One of status=CODE[,retry_after=VALUE], redirect=URL, delay=SECONDS,
reset, truncate, drift=remove_first|insert_first|swap; then ,page=N (drift: ,after=N) and ,times=N or
,times=forever (default: once, on any page). Example: status=503,times=3,retry_after=1. The bundled history
is one page for a client that asks for 100 models a page.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "emulate", help="serve an emulation of the models endpoint", description=DESCRIPTION
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=EMULATOR_PORT, help="port, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--shape",
        choices=("documented", "openai"),
        default="documented",
        help="form of the responses: as documented, or as public clients observe it (default: %(default)s)",
    )
    parser.add_argument(
        "--as-of",
        type=date.fromisoformat,
        metavar="DATE",
        help="day to serve, as YYYY-MM-DD (default: the last of the history)",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--history", metavar="FILE", help="price history, JSON lines, instead of the bundled one"
    )
    source.add_argument(
        "--catalogue", metavar="FILE", help="JSON list of records (may be .gz) to serve unchanged instead"
    )
    parser.add_argument(
        "--api-key-env", metavar="NAME", help="environment variable with the only API key to accept"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help=FAULT_HELP)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Returns 0, or 2 when an argument is wrong or the address is taken."""
    from io_intelligence_provider.emulator.faults import Fault
    from io_intelligence_provider.emulator.server import EmulatorServer

    try:
        faults = [Fault.parse(spec) for spec in args.fault]
        server = EmulatorServer(
            host=args.host,
            port=args.port,
            catalogue=_catalogue(args),
            api_key=_api_key(args.api_key_env),
            shape=args.shape,
            as_of=args.as_of,
        )
        server.start()
    except (ConfigurationError, OSError) as error:
        print(f"io-intelligence emulate: {error}", file=sys.stderr)
        return 2
    server.faults.add(*faults)
    try:
        print(_welcome(server.url, args), flush=True)
        server.wait()
    except KeyboardInterrupt:
        print()
    finally:
        server.stop()
    return 0


def _catalogue(args: argparse.Namespace) -> Catalogue:
    from io_intelligence_provider.emulator.catalogue import FixedCatalogue
    from io_intelligence_provider.emulator.history import PriceHistory

    if args.catalogue:
        return FixedCatalogue.from_file(args.catalogue)
    return PriceHistory.load(args.history)


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise ConfigurationError(f"The environment variable {variable} holds no API key")
    return key


def _welcome(url: str, args: argparse.Namespace) -> str:
    """Return the emulator's URL and example commands; a key is named by its variable, never shown."""
    key = args.api_key_env
    header = f' -H "Authorization: Bearer ${key}"' if key else ""
    connection = json.dumps({"conn_type": "io_intelligence", "host": url})
    if key:
        connection = f"""{connection[:-1]}, "password": "'"${key}"'"}}"""
    return (
        f"Serving {args.shape} answers at {url}/api/v1/models (Ctrl-C stops)\n\n"
        f"  curl{header} '{url}/api/v1/models?page_size=2'\n"
        f"  export AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT='{connection}'\n"
    )
