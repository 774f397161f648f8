"""``io-intelligence init-dag``: put the sample Dag into a Dags folder."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path
from typing import Final

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["add_parser", "example_dags", "run"]

_PACKAGE: Final = "io_intelligence_provider"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "init-dag", help="copy the sample Dags into a Dags folder", description="Copy the sample Dags."
    )
    parser.add_argument("folder", metavar="FOLDER", help="the Dags folder")
    parser.add_argument("--force", action="store_true", help="replace Dags of the same name that differ")
    parser.set_defaults(run=run)


def example_dags() -> list[Path]:
    """Return the sample Dags: from the wheel, or from ``dags/`` of a checkout."""
    package = Path(str(resources.files(_PACKAGE)))
    for folder in (package / "example_dags", package.parents[1] / "dags"):
        if found := sorted(folder.glob("*.py")):
            return found
    raise ConfigurationError("The sample Dags are missing from this installation; install the wheel again.")


def run(args: argparse.Namespace) -> int:
    """Copy the Dags; one that is there and differs is kept unless ``--force``."""
    folder = Path(args.folder)
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder; give the Dags folder of your Airflow.")
    for source in example_dags():
        target, text = folder / source.name, source.read_text("utf-8")
        if target.exists() and target.read_text("utf-8") != text and not args.force:
            raise ConfigurationError(f"{target} is there and differs; --force replaces it.")
        target.write_text(text, "utf-8")
        print(target)
    return 0
