"""Damages bytes of the Parquet files of a store at random, and reads it in a process that may die.

``damaged_bytes.py --runs 5000 --seed 7``: each case changes, cuts, moves or repeats some bytes of one file,
of its pages or of its footer, then reads the store through its API and the page. Each read must give an
answer or one of our errors, and the process must live on. Rows must be those of the undamaged store.
``--only NUMBER`` repeats a case.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("POLARS_MAX_THREADS", "1")  # for frames of a few rows

from helpers.http_clients import ROUTES, ask_in_process
from helpers.stores import file_every_kind
from io_intelligence_provider import SnapshotStore, detect_changes, export_prices
from io_intelligence_provider.errors import IOIntelligenceError
from io_intelligence_provider.quality.results_store import ResultHistory

LONGEST: Final = 60.0
"""Seconds after which a case counts as hanging."""
FILES: Final = (
    "models/*2026-03-04/*.parquet",
    "models/*2026-03-03/*.parquet",
    "compacted/models/*.parquet",
    "compacted/changes/*.parquet",
    "changes/*2026-03-0[234]/*.parquet",
    "quarantine/*2026-03-0[134]/*.parquet",
    "results/*/*.parquet",
)
READS: Final[Mapping[str, Callable[[SnapshotStore], Any]]] = {
    "read": lambda store: store.read(),
    "history": lambda store: store.history(),
    "history of one": lambda store: store.history(models=["a"], columns=["output_token_price", "tags"]),
    "periods": lambda store: store.periods(),
    "price index": lambda store: store.price_index(),
    "price": lambda store: store.price_at("a", "2026-03-03"),
    "changes": lambda store: store.changes(),
    "quarantine": lambda store: store.quarantine(),
    "runs": lambda store: store.runs(),
    "results": lambda store: ResultHistory.of(store.files).runs(),
    "results as rows": lambda store: ResultHistory.of(store.files).table("checks"),
    "compared": lambda store: detect_changes(store, "2026-03-04"),
    "rolled up": lambda store: store.compact(),
    "exported": lambda store: export_prices(store, "litellm"),
}


EXACT: Final = ("read", "history", "history of one", "periods", "price", "changes", "quarantine", "exported")
"""Reads that fail rather than leave a day out, so that each of their answers is known."""


def damage(rng: random.Random, data: bytes) -> bytes:
    """Return the bytes of a Parquet file with some of them changed; never the same bytes."""
    changed = bytearray(data)
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    start, end = rng.choice([(4, max(footer, 5)), (footer, len(data)), (0, len(data))])
    how = rng.choice(["flip", "flip", "flip", "byte", "byte", "cut", "zeros", "repeat", "remove", "length"])
    at = rng.randrange(start, end)
    if how == "flip":
        for _ in range(rng.choice([1, 1, 2, 8])):
            changed[rng.randrange(start, end)] ^= 1 << rng.randrange(8)
    elif how == "byte":
        for _ in range(rng.choice([1, 1, 2, 20])):
            changed[rng.randrange(start, end)] = rng.choice(
                [0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)]
            )
    elif how == "cut":
        del changed[at:]
    elif how == "zeros":
        changed[at : at + rng.choice([1, 4, 64])] = bytes(min(rng.choice([1, 4, 64]), end - at))
    elif how == "repeat":
        changed[at:at] = changed[at : at + rng.choice([1, 8, 100])]
    elif how == "remove":
        del changed[at : at + rng.choice([1, 8, 100])]
    else:
        changed[-8:-4] = rng.choice([0, 1, 2**31 - 1, 2**32 - 1, len(data), len(data) - 12]).to_bytes(
            4, "little"
        )
    if changed == data:
        changed[at] ^= 0xFF
    return bytes(changed)


def read_everything(root: Path, expected: Mapping[str, Any], outcomes: Counter[str]) -> list[str]:
    """Read a store in every way; return what ended neither with the answer nor with one of our errors.

    :param expected: the answers of the undamaged store to the reads in ``EXACT``.
    """
    wrong = []
    for name, read in READS.items():
        try:
            answer = read(SnapshotStore(root))
            outcomes["answered"] += 1
            if name in EXACT and answer != expected[name]:
                wrong.append(f"{name}: another answer than of the undamaged store")
        except IOIntelligenceError as error:
            outcomes[type(error).__name__] += 1
        except BaseException:  # noqa: BLE001 - such as the panics of polars
            wrong.append(f"{name}: {traceback.format_exc()}")
    try:
        for route, (status, answer) in ask_in_process(SnapshotStore(root), ROUTES).items():
            outcomes[f"page {status}"] += 1
            if status >= 500 and answer.get("error", {}).get("type") not in (
                "StorageError",
                "UnreadableFileError",
            ):
                wrong.append(f"the page's route {route} answered {status} {answer}")
    except BaseException:  # noqa: BLE001
        wrong.append(f"page: {traceback.format_exc()}")
    return wrong


def answers_of(base: Path) -> dict[str, Any]:
    return {name: READS[name](SnapshotStore(base)) for name in EXACT}


def case(
    seed: int, number: int, base: Path, expected: Mapping[str, Any], folder: Path, outcomes: Counter[str]
) -> list[str]:
    rng = random.Random(f"{seed}:{number}")
    root = folder / "store"
    shutil.copytree(base, root, copy_function=shutil.copy2)
    try:
        path = rng.choice(sorted(root.glob(rng.choice(FILES))))
        times = path.stat()
        path.write_bytes(damage(rng, path.read_bytes()))
        if rng.random() < 0.8:  # as the disk does it: the file has the time of its last write
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        wrong = [f"{path.relative_to(root)}: {text}" for text in read_everything(root, expected, outcomes)]
        if left := list((folder / "tmp").iterdir()):
            wrong.append(f"files in $TMPDIR: {left}")
        return wrong
    finally:
        shutil.rmtree(root, ignore_errors=True)


def work(seed: int, numbers: range, base: Path, answers: Any) -> None:
    logging.disable()
    expected = answers_of(base)
    with tempfile.TemporaryDirectory() as name:
        tempfile.tempdir = str(Path(name) / "tmp")
        Path(tempfile.tempdir).mkdir()
        for number in numbers:
            faulthandler.dump_traceback_later(LONGEST, exit=True)
            outcomes: Counter[str] = Counter()
            answers.send((number, None, None))
            answers.send((number, outcomes, case(seed, number, base, expected, Path(name), outcomes)))
            faulthandler.cancel_dump_traceback_later()
        tempfile.tempdir = None


def run(seed: int, count: int, base: Path) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Run cases in one process, and in another one once that has died."""
    context = multiprocessing.get_context("spawn")
    outcomes: Counter[str] = Counter()
    wrong: list[tuple[int, str]] = []
    number = 0
    while number < count:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(seed, range(number, count), base, theirs))
        process.start()
        theirs.close()
        with suppress(EOFError):
            while True:
                number, found, texts = mine.recv()
                if found is not None:
                    outcomes += found
                    wrong += [(number, text) for text in texts]
        process.join()
        number += 1
        if process.exitcode:
            wrong.append((number - 1, f"the process ended with {process.exitcode}"))
    return outcomes, wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", type=int, help="repeat this case of the seed, in this process")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name) / "base"
        os.fsync = lambda _: None  # type: ignore[assignment]
        file_every_kind(base)
        if args.only is not None:
            (Path(name) / "tmp").mkdir()
            print(*case(args.seed, args.only, base, answers_of(base), Path(name), Counter()), sep="\n")
            return 0
        began = time.monotonic()
        print(f"seed {args.seed}, {args.runs} damaged files", flush=True)
        outcomes, wrong = run(args.seed, args.runs, base)
    took = time.monotonic() - began
    for number, text in wrong[:10]:
        print(f"\ncase {number}: repeat it with --seed {args.seed} --only {number}\n{text}")
    for outcome, number in outcomes.most_common():
        print(f"{number:8} {outcome}")
    print(f"{args.runs} in {took:.0f} s, {args.runs / took:.1f} a second, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
