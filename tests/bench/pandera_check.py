"""Measures the engine against pandera alone, and its memory for a large file.

``python tests/bench/pandera_check.py`` prints, for a million rows, the time of a check against that of
reading the file and calling ``schema.validate(lazy=True)``; then, for ten million rows, the peak memory of a
check that reads row group by row group. ``--rows`` changes the second figure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow.parquet as pq

from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.run import check_dataset

KINDS = {"polars": pandera.polars, "pandas": pandera.pandas}
GROUP = 250_000
ROUNDS = 25


def frame(rows: int, seed: int) -> pl.DataFrame:
    """Return valid rows: two integers, a price, a word, an instant."""
    made = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "id": np.arange(rows) + seed * rows,
            "count": made.integers(0, 1_000, rows),
            "price": made.random(rows),
            "name": made.choice(["alpha", "beta", "gamma", "delta"], rows),
            "at": pl.Series(made.integers(0, 10**15, rows)).cast(pl.Datetime("us")),
        }
    )


def schema(kind: str) -> Any:
    pa: Any = KINDS[kind]
    return pa.DataFrameSchema(
        {
            "id": pa.Column(int, pa.Check.ge(0)),
            "count": pa.Column(int, pa.Check.in_range(0, 1_000)),
            "price": pa.Column(float, [pa.Check.ge(0), pa.Check.lt(1)]),
            "name": pa.Column(
                str, [pa.Check.isin(["alpha", "beta", "gamma", "delta"]), pa.Check.str_matches("^[a-z]+$")]
            ),
        }
    )


def write(path: Path, rows: int) -> None:
    """Write row groups one by one, so that the writing needs no memory either."""
    with pq.ParquetWriter(path, frame(1, 0).to_arrow().schema) as writer:
        for seed in range(max(1, rows // GROUP)):
            writer.write_table(frame(min(GROUP, rows), seed).to_arrow())


def direct(path: Path, kind: str, made: Any) -> None:
    read: Callable[[Path], Any] = pl.read_parquet if kind == "polars" else pd.read_parquet
    made.validate(read(path), lazy=True)


def median_seconds(*runs: Callable[[], Any]) -> list[float]:
    """Return the median processor time of each, taken in turns: a busy machine disturbs it least."""
    for run in runs:
        run()
    took: list[list[float]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, seconds in zip(runs, took, strict=True):
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
    return [float(np.median(seconds)) for seconds in took]


def overhead(folder: Path) -> None:
    path = folder / "million.parquet"
    write(path, 1_000_000)
    for kind in KINDS:
        made = schema(kind)
        alone, checked = median_seconds(
            lambda kind=kind, made=made: direct(path, kind, made),
            lambda made=made: check_dataset(str(path), made),
        )
        print(
            f"{kind}, a million rows: check / (read + validate) = {checked / alone:.2f} "
            f"({checked:.2f} s of processor)"
        )


def peak_mib() -> float:
    """Return the peak of this process; ``ru_maxrss`` would count that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def peak(path: str, kind: str, unique: bool) -> None:
    """Check one file and print the peak memory of this process."""
    made = schema(kind)
    if unique:
        made.columns["id"].unique = True
    before = peak_mib()
    start = time.perf_counter()
    run = check_dataset(path, made, CheckOptions(valid_path=f"{path}.valid.parquet"))
    grown = peak_mib() - before
    words = f"{kind}{', unique' if unique else ''}"
    print(f"{words}, {run.rows:,} rows: {grown:,.0f} MiB above start, {time.perf_counter() - start:.0f} s")


def memory(folder: Path, rows: int) -> None:
    path = folder / "large.parquet"
    write(path, rows)
    size = sum(
        pq.ParquetFile(path).metadata.row_group(group).total_byte_size for group in range(rows // GROUP)
    )
    print(
        f"{rows:,} rows: {path.stat().st_size / 2**20:,.0f} MiB on disk, {size / 2**20:,.0f} MiB uncompressed"
    )
    for arguments in (["polars"], ["polars", "unique"], ["pandas"]):
        subprocess.run([sys.executable, __file__, "--peak", str(path), *arguments], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--peak", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        peak(arguments.peak[0], arguments.peak[1], "unique" in arguments.peak[2:])
        return
    with tempfile.TemporaryDirectory() as folder:
        overhead(Path(folder))
        if arguments.rows:
            memory(Path(folder), arguments.rows)


if __name__ == "__main__":
    main()
