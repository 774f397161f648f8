"""Implements ``io-intelligence init-dag``, which copies the sample Dags into a Dags folder."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path
from typing import Final

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["DAG_ID", "SETTINGS", "add_parser", "example_dags", "run"]

DAG_ID: Final = "io_intelligence_daily_pricing"
"""The sample Dag that the demo runs."""

SETTINGS: Final = "io_intelligence_settings"
"""The module with the notifiers and rules of all sample Dags."""

_PACKAGE: Final = "io_intelligence_provider"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "init-dag", help="copy the sample Dags into a Dags folder", description="Copy the sample Dags."
    )
    parser.add_argument(
        "folder", metavar="FOLDER", help="the Dags folder, or one below; created if it is missing"
    )
    parser.add_argument("--force", action="store_true", help="replace Dags of the same name that differ")
    parser.set_defaults(run=run)


def example_dags() -> list[Path]:
    """Return the files of the sample Dags: from the wheel, or from ``dags/`` of a checkout."""
    package = Path(str(resources.files(_PACKAGE)))
    for folder in (package / "example_dags", package.parents[1] / "dags"):
        if found := sorted(folder.glob("*.py")):
            return found
    raise ConfigurationError("The sample Dags are missing from this installation; install the wheel again.")


def run(args: argparse.Namespace) -> int:
    """Copy the Dags into a folder, which is created if it is missing, as in a new Airflow.

    If one of the files exists and differs, nothing is copied unless ``--force``.
    """
    folder = Path(args.folder).expanduser()
    dags = {folder / source.name: source.read_text("utf-8") for source in example_dags()}
    try:
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
