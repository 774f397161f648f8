"""Provides the command ``io-intelligence``, which runs the library without Airflow."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from io_intelligence_provider import __version__
from io_intelligence_provider.errors import ConfigurationError, IOIntelligenceError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, 1 after a failure, or 2 for wrong arguments."""
    from io_intelligence_provider.cli import commands, emulator

    parser = argparse.ArgumentParser(
        prog="io-intelligence",
        description="Checked daily Parquet snapshots of the IO Intelligence (io.net) models catalogue.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    known = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        commands.add_snapshot,
        commands.add_show,
        commands.add_changes,
        commands.add_alert,
        commands.add_export,
        emulator.add_replay,
        emulator.add_emulate,
        commands.add_init_dag,
    ):
        add(known)
    args = parser.parse_args(arguments)
    try:
        code: int = args.run(args)
        if sys.stdout is not None:
            sys.stdout.flush()  # else an error of the output would be one of the interpreter's end
    except ConfigurationError as error:
        print(f"io-intelligence: {error}", file=sys.stderr)
        return 2
    except IOIntelligenceError as error:
        print(f"io-intelligence: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # what reads the output, such as `head`, needs no more of it
        _discard_output()
        return 1
    except (OSError, UnicodeEncodeError) as error:  # of the output: those of files are typed
        advice = ". Set PYTHONIOENCODING=utf-8." if isinstance(error, UnicodeEncodeError) else ""
        print(f"io-intelligence: {error}{advice}", file=sys.stderr)
        _discard_output()
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _discard_output() -> None:
    """Discard what is buffered for the standard output, which the interpreter's end would write again."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
