"""Takes seeded snapshots from a server that misbehaves at random, and checks how each one ends.

``faulty_server.py --runs 10000 --seed 7``: each case draws a catalogue, a client and faults of the emulator
from ``seed:number``, and takes one snapshot on top of an older one. It must end with exactly what the server
served, or with one of our errors and every committed file as before; within its deadline; without a file,
thread, open descriptor or credential left behind. Prints the outcomes by kind, and how to repeat a failure:
``--only NUMBER``.

What no client can see is counted as ``mixed``: pages of several states with equal totals, as many models in
all as the total says, see ``catalog/pagination.py``.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ["POLARS_MAX_THREADS"] = "1"  # for frames of a few rows; threads of two processes would compete

from helpers.canaries import everything_about, spellings
from helpers.records import model_record, observed_record
from helpers.stores import file_records
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.emulator import state as emulator_state
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, encode
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.emulator.state import OAuthClient, ServerQuirks
from io_intelligence_provider.errors import IOIntelligenceError, QualityError

SECRETS: Final = {"key": "io-v2-s3cr3t/+=k3y", "oauth": "cl13nt-s3cr3t&x", "guest": "gu3st-5e55ion"}
"""The credential of a client, by how it identifies itself. The server repeats it here and there."""
BEFORE, NEXT = "2026-01-01", "2026-01-02"
SLACK, LONGEST = 10.0, 60.0
"""Seconds that may pass after a client's deadline, and after which a case counts as hanging."""


@dataclass
class Case:
    """What one number of one seed draws."""

    shape: Any
    records: list[Any]
    page_size: int
    concurrency: int
    quirks: ServerQuirks
    faults: list[Fault]
    auth: str
    day: str | None
    """The day of the snapshot; ``None``: the store is empty."""
    client: dict[str, Any]


def draw(seed: str) -> Case:
    rng = random.Random(seed)
    shape = rng.choice(["documented", "documented", "openai"])
    auth = rng.choice(["key", "key", "oauth", "guest"])
    count = rng.choice([0, 1, 2, 3, 4, 5, 6, 8, 8, 12, 12, 20, 100, 101])
    page_size = (
        rng.choice([1 if count < 7 else 4, 2 if count < 13 else 9, 3, 5, 100])
        if count < 50
        else rng.choice([30, 100])
    )
    records = [_record(rng, shape, number, SECRETS[auth]) for number in range(count)]
    if records and rng.random() < 0.2:
        where = rng.randrange(len(records))
        records.insert(where, records[where])  # the same model twice in a row
    pages = max(1, -(-len(records) // page_size))
    lies = shape == "documented" and rng.random() < 0.25
    quirks = ServerQuirks(
        page_size_cap=rng.choice([None, None, None, 1, 2]) if count < 13 else None,
        total=max(0, len(records) + rng.choice([-2, -1, 1, 7])) if lies and rng.random() < 0.5 else None,
        total_pages=rng.choice([0, 1, pages + 3]) if lies else None,
        endless=lies and rng.random() < 0.3,
    )
    faults = [
        _fault(rng, records, page_size, SECRETS[auth]) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 4, 6]))
    ]
    client = {
        "max_retries": rng.choice([0, 1, 3, 5]),
        "read_timeout": rng.choice([0.1, 0.4]),
        "deadline": rng.choice([0.3, 2.0, 2.0, 2.0]),
        "backoff": 0.001,
        "max_backoff": 0.004,
    }
    return Case(
        shape=shape,
        records=records,
        page_size=page_size,
        concurrency=rng.choice([1, 2, 4]),
        quirks=quirks,
        faults=faults,
        auth=auth,
        day=rng.choice([None, BEFORE, NEXT, NEXT]),
        client=client,
    )


def _record(rng: random.Random, shape: str, number: int, secret: str) -> Any:
    name = f"org/m{number}"
    bad = rng.random() < 0.04
    # The server repeats the credential: it must be masked in what is filed.
    said = f"said {secret}" if rng.random() < 0.03 else f"d{number}"
    price = f"{rng.randrange(1, 10**6)}e-4"
    if shape == "openai":
        prices = "free" if bad else rng.randrange(1, 999)
        return observed_record(id=name, description=said, input_token_price=prices)
    metadata = {"input_token_price": "free" if bad else price}
    return model_record(name, metadata, description=said)


_STATUSES: Final = (200, 204, 304, 400, 401, 402, 403, 404, 409, 418, 422, 429, 500, 502, 503, 504, 599)
_BODIES: Final = (
    None, "", "null", "[]", "{}", "<html>502</html>", "Bearer SECRET", '{"detail":"SECRET"}',
    '{"data":null,"pagination":{}}', '{"data":[],"pagination":{"total":"7","has_next":1}}',
    '{"data":[{"model_id":"x"}', "[" * 10_000, '{"data":[' + "[" * 5000 + "]" * 5000 + '],"pagination":'
    '{"total":1,"has_next":false}}', '{"object":"list","data":{}}', '{"data":[NaN],"pagination":{"total":1}}',
    '{"detail":[{"loc":["query","page"],"msg":"no","type":"x"}]}', "\x00\x00", "\U0001f600" * 3,
)  # fmt: skip
_WAITS: Final = (None, None, 0, "0", "999999", "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT")
_REDIRECTS: Final = (
    "/api/v1/models", "/elsewhere", "http://127.0.0.1:9/", "https://127.0.0.1:1/x", "//", "ftp://x/", "", "http://[",
    "/api/v1/models?token=SECRET",
)  # fmt: skip


def _fault(rng: random.Random, records: Sequence[Any], size: int, secret: str) -> Fault:
    pages = max(1, -(-len(records) // size))
    page = rng.choice([None, 1, 2, rng.randint(1, pages + 1)])
    times = rng.choice([1, 1, 1, 2, 3, None])
    fields: dict[str, Any] = {"page": page, "times": times}
    kind = rng.choice(["status", "redirect", "delay", "reset", "truncate", "drift", "drift", "stale"])
    if kind == "status":
        body = rng.choice(_BODIES)
        fields |= {
            "status": rng.choice(_STATUSES),
            "body": body and body.replace("SECRET", secret),
            "retry_after": rng.choice(_WAITS),
            "content_type": rng.choice(["application/json", "text/html", ""]),
        }  # fmt: skip
    elif kind == "redirect":
        fields |= {
            "location": rng.choice(_REDIRECTS).replace("SECRET", quote(secret)),
            "status": rng.choice([301, 302, 303, 307, 308]),
        }
    elif kind == "delay":
        fields["seconds"] = rng.choice([0.005, 0.02, 0.15])
        fields["times"] = rng.choice([1, 2, None]) if fields["seconds"] < 0.1 else rng.choice([1, 2])
    elif kind == "drift":
        fields["how"] = rng.choice(["remove_first", "insert_first", "swap"])
    elif kind == "stale":
        return _stale(rng, records, size, pages)
    return Fault(kind=kind, **fields)


def _stale(rng: random.Random, records: Sequence[Any], size: int, pages: int) -> Fault:
    """Return a page of a cache or a confused server: another page, an empty one, a wrong total or end."""
    page = rng.randint(1, pages + 1)
    shown, total, has_next = page, len(records), page < pages
    lie = rng.choice(["other", "empty", "total", "next"])
    if lie == "other":
        shown = rng.randint(1, pages)
    elif lie == "total":
        total = max(0, total + rng.choice([-1, 1, 100]))
    elif lie == "next":
        has_next = not has_next
    data = [] if lie == "empty" else records[(shown - 1) * size : shown * size]
    pagination = encode({"total": total, "has_next": has_next}).decode()
    listed = ",".join(encode(record).decode() for record in data)
    body = f'{{"data":[{listed}],"pagination":{pagination}}}'
    return Fault(kind="status", status=200, body=body, page=page, times=rng.choice([1, 2, None]))


class WrongEndError(Exception):
    """A case did not end as it must."""


@dataclass
class World:
    """The server of one process."""

    server: EmulatorServer
    folder: Path
    logged: list[str] = field(default_factory=list)

    def run(self, case: Case) -> str:
        """Run one case; return how it ended.

        :raises WrongEndError: when it ended as no case may.
        """
        root = self.folder / "store"
        store = SnapshotStore(root)
        self._serve(case)
        if case.day is not None:
            shutil.copytree(self.folder / "before", root)
        before, day = _committed(root), case.day or BEFORE
        self.logged.clear()
        descriptors, threads = _descriptors(), set(threading.enumerate())
        error: BaseException | None = None
        began = time.monotonic()
        with _client(case, self.server.url) as client:
            try:
                take_snapshot(
                    client, store, snapshot_date=day, fail_on="never", page_size=case.page_size,
                    max_quarantine_share=1.0,
                )  # fmt: skip
            except Exception as caught:  # noqa: BLE001 - every other type is what is looked for
                error = caught
        took = time.monotonic() - began
        said = "\n".join(self.logged) + (everything_about(error) if error else "")
        try:
            if took > case.client["deadline"] + SLACK:
                raise WrongEndError(f"it took {took:.1f} s with a deadline of {case.client['deadline']} s")
            ended = self._failed(error, root, before) if error else self._filed(case, store, day)
            self._nothing_left(root, descriptors, threads, said, SECRETS[case.auth])
        finally:
            shutil.rmtree(root, ignore_errors=True)
        return ended

    def _serve(self, case: Case) -> None:
        state, app = self.server.state, self.server.app
        state.catalogue, state.shape, state.quirks = FixedCatalogue(case.records), case.shape, case.quirks
        state.reset()
        state.tokens.revoke()
        app.api_key = SECRETS["key"] if case.auth == "key" else None
        app.oauth = OAuthClient("id", SECRETS["oauth"]) if case.auth == "oauth" else None
        state.faults.add(*case.faults)

    def _failed(self, error: BaseException, root: Path, before: dict[str, bytes]) -> str:
        if not isinstance(error, IOIntelligenceError):
            raise WrongEndError(f"it raised {type(error).__name__}") from error
        if _committed(root) != before:
            raise WrongEndError(f"{type(error).__name__}, and committed files differ")
        if isinstance(error, QualityError):
            failed = {check.check for check in error.report.checks if not check.passed}
            if not failed & {"complete", "not_empty"}:
                raise WrongEndError(f"nothing but {failed} failed, which `never` lets pass")
            run = error.report.snapshot_id
            if len(list(root.rglob(f"{run}.*"))) != 3:
                raise WrongEndError("a stopped run left not its quarantine and its two reports")
        return type(error).__name__

    def _filed(self, case: Case, store: SnapshotStore, day: str) -> str:
        rows = store.read(day).to_pylist()
        refused = [json.loads(text) for text in store.quarantine(day, day)["record"].to_pylist()]
        names = Counter([row["name"] for row in rows] + [_name(record) for record in refused])
        if max(names.values(), default=1) > 1:
            raise WrongEndError(f"filed twice: {names.most_common(3)}")
        told = {row["name"]: row["description"] for row in rows if row["description"] is not None}
        told |= {_name(record): record["description"] for record in refused}
        for served in case.records:
            expected, found = served["description"], told.get(_name(served))
            if found is not None and found != expected and SECRETS[case.auth] not in expected:
                raise WrongEndError(f"{_name(served)} was filed as {found!r}, and is {expected!r}")
        if SECRETS[case.auth] in json.dumps([rows, refused], default=str):
            raise WrongEndError("the credential was filed")
        states = _states(self.server.state)
        if set(names) in [set(state) for state in states]:
            return "filed"
        if _is_mixture(set(names), states, case):
            return "mixed"
        raise WrongEndError(f"filed {sorted(names)}, and the server had {states}")

    def _nothing_left(self, root: Path, descriptors: int, threads: set[Any], said: str, secret: str) -> None:
        if left := [path for path in root.rglob("*") if path.name.endswith(".tmp")]:
            raise WrongEndError(f"temporary files: {left}")
        if left := list((self.folder / "tmp").iterdir()):
            raise WrongEndError(f"files in $TMPDIR: {left}")
        end = time.monotonic() + 3
        while new := set(threading.enumerate()) - threads:
            if time.monotonic() > end:
                raise WrongEndError(f"threads: {new}")
            time.sleep(0.001)
        while _descriptors() > descriptors:
            if time.monotonic() > end:
                raise WrongEndError(f"{_descriptors() - descriptors} open descriptors more than before")
            time.sleep(0.001)
        everything = said.lower() + "".join(
            path.read_bytes().decode("latin-1").lower() for path in root.rglob("*") if path.is_file()
        )
        for hidden in (secret, *self.server.state.tokens._valid):
            if any(spelt.lower() in everything for spelt in spellings(hidden)):
                raise WrongEndError("a credential is in a file, a log or the error")


def _name(record: Any) -> str:
    return str(record.get("name") if "model_id" in record else record["id"])


def _client(case: Case, url: str) -> IOIntelligenceClient:
    credentials: dict[str, Any] = {
        "key": {"token": SECRETS["key"]},
        "guest": {"guest_session_id": SECRETS["guest"]},
        "oauth": {"token_url": f"{url}/oauth/token", "client_id": "id", "client_secret": SECRETS["oauth"]},
    }[case.auth]
    return IOIntelligenceClient(url, concurrency=case.concurrency, **credentials, **case.client)


def _committed(root: Path) -> dict[str, bytes]:
    """Return the files that readers of the last snapshot use: those of its run."""
    models = set(root.glob("models/*/*"))
    runs = {SnapshotStore(root).info(path.parent.name[-10:]).snapshot_id for path in models}
    used = models | {path for run in runs for path in root.rglob(f"{run}.*")}
    return {str(path): path.read_bytes() for path in used}


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _states(state: Any) -> list[list[str]]:
    """Return the names that the server listed before the first drift, after it, and so on."""
    records = state.catalogue.rendered(None, state.shape)
    states = [records]
    for number, how in enumerate(state._drifts, start=1):
        records = emulator_state._drifted(records, how, number)
        states.append(records)
    return [[_name(json.loads(record.body)) for record in records] for records in states]


def _is_mixture(names: set[str], states: list[list[str]], case: Case) -> bool:
    """Return whether every page is whole in some state or cache, and all of these name one total."""
    if case.shape == "openai":
        return False
    cached = _cached(case.faults)
    size = min(case.page_size, case.quirks.page_size_cap or case.page_size)
    lie, by_total = case.quirks.total, defaultdict(list)
    for state in states:
        by_total[len(state) if lie is None else lie].append(state)
    for total, alike in by_total.items():
        distinct = {len(set(state)) for state in alike} if lie is None else {total, total - 1}
        if len(names) not in distinct:
            continue  # the client counts them
        starts = range(0, max(map(len, alike)), size)
        shown = [
            [*(set(state[start : start + size]) for state in alike), *cached[total, number]]
            for number, start in enumerate(starts, start=1)
        ]
        fitting = [[page for page in pages if page <= names] for pages in shown]
        if all(fitting) and names == set().union(*(page for pages in fitting for page in pages)):
            return True
    return False


def _cached(faults: Sequence[Fault]) -> dict[tuple[int, int | None], list[set[str]]]:
    """Return the names on the pages that :func:`_stale` made, by the total they name and their number."""
    found = defaultdict(list)
    for fault in faults:
        if fault.status == 200 and fault.body and '"pagination":{"total": ' in fault.body:
            page = json.loads(fault.body)
            found[page["pagination"]["total"], fault.page].append({_name(record) for record in page["data"]})
    return found


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="io-faults-") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        tempfile.tempdir = str(folder / "tmp")
        older = SnapshotStore(folder / "before")
        file_records(older, [model_record(f"org/m{number}") for number in range(3)], BEFORE)
        logged: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: logged.append(handler.format(record))  # type: ignore[method-assign]
        logging.root.addHandler(handler)
        logging.root.setLevel(logging.DEBUG)
        os.fsync = lambda _: None  # type: ignore[assignment]
        with EmulatorServer(oauth=OAuthClient("id", SECRETS["oauth"])) as server:
            yield World(server, folder, logged)
        tempfile.tempdir = None


def work(seed: int, numbers: Any, answers: Any) -> None:
    """Run cases until there is no number left."""
    with world() as here:
        while (number := numbers.get()) is not None:
            answers.put((number, "began", ""))
            faulthandler.dump_traceback_later(LONGEST, exit=True)
            try:
                answers.put((number, here.run(draw(f"{seed}:{number}")), ""))
            except Exception:  # noqa: BLE001
                answers.put((number, "WRONG", traceback.format_exc()))
            faulthandler.cancel_dump_traceback_later()


def run(seed: int, numbers: Sequence[int], workers: int = 2) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Run cases in processes of their own; return the outcomes, and what was wrong."""
    context = multiprocessing.get_context("spawn")
    queue, answers = context.Queue(), context.Queue()
    for number in [*numbers, *[None] * workers]:
        queue.put(number)
    processes = [context.Process(target=work, args=(seed, queue, answers)) for _ in range(workers)]
    for process in processes:
        process.start()
    outcomes: Counter[str] = Counter()
    wrong: list[tuple[int, str]] = []
    under_way: set[int] = set()
    while outcomes.total() < len(numbers):
        try:
            number, outcome, text = answers.get(timeout=1)
        except Exception:  # noqa: BLE001 - `queue.Empty` of the context
            if not any(process.is_alive() for process in processes):
                wrong += [(number, "the process ended or hung; see above") for number in sorted(under_way)]
                break
            continue
        if outcome == "began":
            under_way.add(number)
        else:
            under_way.discard(number)
            outcomes[outcome] += 1
            wrong += [(number, text)] if text else []
    for process in processes:
        process.join(LONGEST)
        process.kill()
    return outcomes, wrong


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", type=int, help="repeat this case of the seed, in this process")
    args = parser.parse_args()
    if args.only is not None:
        case = draw(f"{args.seed}:{args.only}")
        print(case)
        with world() as here:
            print(here.run(case))
        return 0
    began = time.monotonic()
    print(f"seed {args.seed}, {args.runs} snapshots", flush=True)
    outcomes, wrong = run(args.seed, range(args.runs))
    took = time.monotonic() - began
    for number, text in wrong[:5]:
        print(f"\ncase {number}: repeat it with --seed {args.seed} --only {number}\n{text}")
    for outcome, count in outcomes.most_common():
        print(f"{count:7} {outcome}")
    print(f"{outcomes.total()} in {took:.0f} s, {outcomes.total() / took:.1f} a second")
    return 1 if wrong or outcomes.total() < args.runs else 0


if __name__ == "__main__":
    sys.exit(main())
