"""Defines arguments that several commands share."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.storage.location import scrubbed

__all__ = [
    "EMULATOR_PORT",
    "EMULATOR_VARIABLE",
    "add_client_arguments",
    "add_date_argument",
    "add_json_argument",
    "add_root_argument",
    "api_key",
    "iso_date",
    "port_from",
    "positive_integer",
    "print_json",
]

KEY_VARIABLE = "IO_INTELLIGENCE_API_KEY"

EMULATOR_PORT: Final = 8642
"""Port of the emulator unless one is given. It stays, because the check ``source`` flags another one."""


EMULATOR_VARIABLE: Final = "EMULATOR_PORT"
"""Environment variable that chooses another port for ``make demo`` and ``make ui``; 0 is any free one."""


def add_root_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--root``, the store."""
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    default = os.environ.get("AIRFLOW__IO_INTELLIGENCE__ROOT") or str(home / "io_intelligence")
    shown = scrubbed(default).replace("%", "%%")  # keeps credentials out of the help
    parser.add_argument(
        "--root",
        metavar="PATH",
        default=default,
        help=f"root of the store, a path or an fsspec URL (default: Airflow's, {shown})",
    )


def add_client_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the client. A key is never one, because other users could read it."""
    parser.add_argument(
        "--url", metavar="URL", help="base URL of the API (default: https://api.intelligence.io.solutions)"
    )
    parser.add_argument(
        "--api-key-env",
        metavar="NAME",
        help=f"environment variable that holds the API key (default: {KEY_VARIABLE}; a guest if unset)",
    )
    parser.add_argument("--page-size", type=int, metavar="N", help="models per page, 1 to 100")


def api_key(variable: str | None) -> str | None:
    """Return the API key from the environment, ``None`` when the default variable is unset.

    :raises ConfigurationError: when the variable that was named is unset.
    """
    key = os.environ.get(variable or KEY_VARIABLE)
    if variable and not key:
        # Not shown when it may be the key itself, given in place of its variable.
        shown = variable if re.fullmatch("[A-Z]+(_[A-Z0-9]{1,16})*", variable) else "of --api-key-env"
        raise ConfigurationError(f"The environment variable {shown} holds no API key.")
    return key or None


def iso_date(text: str) -> date:
    """Return a date from its ISO form.

    :raises argparse.ArgumentTypeError: when it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write YYYY-MM-DD") from None


def positive_integer(text: str) -> int:
    """Return an integer of at least 1 from its text.

    :raises argparse.ArgumentTypeError: when it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no integer of at least 1")
    return int(text)


def add_date_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--date``, the date of a stored snapshot."""
    parser.add_argument(
        "--date", type=iso_date, metavar="DATE", help="date of the snapshot (default: the latest)"
    )


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def port_from(variable: str, lowest: int = 0) -> int | None:
    """Return the port in an environment variable, ``None`` when it is unset.

    :raises ConfigurationError: when it holds no port.
    """
    text = os.environ.get(variable)
    if not text:
        return None
    if not (text.isdecimal() and lowest <= int(text) < 65_536):
        raise ConfigurationError(f"{variable} is {text!r}; it must be a number from {lowest} to 65535.")
    return int(text)


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Print a result as JSON."""
    print(json.dumps(value, indent=1))
