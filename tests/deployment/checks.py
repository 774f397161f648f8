"""Checks the provider in the deployment of ``stack.py``; ``make deployment`` runs it.

Each check prints what it saw. ``python tests/deployment/checks.py FOLDER [CHECK …]`` runs some of them only;
``--stay`` leaves the deployment up until Ctrl-C.
"""

from __future__ import annotations

import argparse
import http.client
import io
import re
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import polars as pl
import psutil
import requests

from deployment.client import Airflow
from deployment.stack import BUCKET, LOGS, PREFIX, WORKERS, Stack
from helpers.http_clients import wait_until
from helpers.relay import Relay
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, detect_changes, take_snapshot
from io_intelligence_provider.cli.demo import Receiver
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.quality.results_store import ResultHistory

DAILY: Final = "io_intelligence_daily_pricing"
LOAD: Final = "io_intelligence_load_periods"
FOLLOWING: Final = (LOAD, "io_intelligence_on_change", "io_intelligence_export", "io_intelligence_by_date")
PAGE: Final = "/io-intelligence/"
FILES: Final = 20
LONG: Final = 900.0
"""Seconds that many mapped tasks get: each starts a process that imports Airflow."""
_IMPORTED: Final = re.compile(r"""(?:from|import)\s*\(?["'](\.{1,2}/[^"']+)["']""")
_LINKED: Final = re.compile(r'(?:src|href)="([^"#]+)"')


class Checks(Airflow):
    """The checks, each a method that returns what it saw and raises ``AssertionError`` otherwise."""

    def __init__(self, stack: Stack, receiver: Receiver, relay: Relay) -> None:
        super().__init__(stack)
        self.receiver, self.relay = receiver, relay
        self.today = datetime.now(UTC).date()
        self.days = PriceHistory.load().dates
        self.store = self.open_store("store")

    def open_store(self, path: str) -> SnapshotStore:
        """Return the store below a path of the bucket."""
        return SnapshotStore(f"s3://{BUCKET}/{path}", storage_options=self.stack.storage_options())

    def serve(self, day: date, emulator: str = "emulator") -> None:
        """Let an emulator serve the recorded state of a day."""
        url = f"{self.stack.emulator(emulator)}/emulator/as-of"
        requests.put(url, json={"as_of": day.isoformat()}, timeout=10).raise_for_status()

    def daily(self) -> str:
        """The daily Dag and those that follow it, through Celery: snapshot, changes, message, links."""
        yesterday = self.today - timedelta(days=1)
        self.serve(self.days[-2])
        with IOIntelligenceClient(self.stack.emulator(), token=self.stack.key) as client:
            take_snapshot(client, self.store, snapshot_date=yesterday)
        detect_changes(self.store, yesterday)
        self.serve(self.days[-1])
        for dag_id in FOLLOWING:
            self.unpause(dag_id)
        self.unpause(DAILY)
        run = self.green(DAILY)
        for dag_id in FOLLOWING:
            self.green(dag_id)
        rows = self.store.read(self.today).num_rows
        moves = self.store.changes(self.today, self.today).num_rows
        assert rows == 26, rows
        assert moves, "no change was filed"
        (message,) = [one for one in self.receiver.messages if str(self.today) in one["text"]]
        address = re.search(rf"{re.escape(self.stack.url)}{PAGE}\S*", message["text"])
        assert address, message["text"]
        links = {}
        for task in self.tasks(DAILY, run):
            where = f"dags/{DAILY}/dagRuns/{run}/taskInstances/{task['task_id']}/links"
            links |= self.api("GET", where)["extra_links"]
        assert set(links) == {"Data quality", "What changed"}, links
        for link in (address[0], *(urljoin(f"{self.stack.url}/", link) for link in links.values())):
            path = urlsplit(link).path
            assert path == PREFIX + PAGE, link
            assert requests.get(link, cookies={"_token": self.token("op")}, timeout=60).ok, link
        return (
            f"{DAILY} and {len(FOLLOWING)} Dags that follow are green; {rows} models, {moves} changes, "
            f"1 message; {len(links) + 1} links lead to {PREFIX}{PAGE}"
        )

    def load(self) -> str:
        """The load Dag on PostgreSQL; a rerun leaves the same rows."""
        count = "SELECT count(*), sum(price) FROM io_intelligence_price_periods"
        if LOAD not in self._ran(LOAD):
            self.green(LOAD, self.start(LOAD))
        first = self.stack.sql(count, "warehouse")
        self.green(LOAD, self.start(LOAD))
        periods = self.store.periods()
        expected = sum(row["price"] for row in periods.to_pylist())
        found = self.stack.sql(count, "warehouse")
        assert found == first == f"{periods.num_rows}|{expected}", (first, found, periods.num_rows, expected)
        return f"{periods.num_rows} periods in PostgreSQL, the same after a rerun; the prices are exact"

    def _ran(self, dag_id: str) -> list[str]:
        return [dag_id for state in self.runs(dag_id).values() if state == "success"]

    def teams(self) -> str:
        """The snapshot operator mapped over 50 connections and roots."""
        began = time.monotonic()
        run = self.start("deployment_teams")
        self.green("deployment_teams", run, LONG)
        tasks = self.tasks("deployment_teams", run)
        roots = [self.open_store(f"teams/{number:02}") for number in range(len(tasks))]
        first, *others = (root.read(self.today).drop_columns(["fetched_at"]) for root in roots)
        tries = Counter(task["try_number"] for task in tasks)
        assert [root.dates() for root in roots] == [[self.today]] * 50
        assert all(other.equals(first) for other in others)
        return (
            f"{len(tasks)} snapshots filed, all equal, {time.monotonic() - began:.0f} s, tries {dict(tries)}"
        )

    def files(self) -> str:
        """The check of other data mapped over 20 files, of which file n has n invalid rows."""
        for number in range(FILES):
            prices = [-1.0 if row < number else row / 10 for row in range(1_000)]
            data = io.BytesIO()
            pl.DataFrame({"id": range(1_000), "price": prices}).write_parquet(data)
            self.stack.s3().put_object(Bucket=BUCKET, Key=f"orders/{number:02}.parquet", Body=data.getvalue())
        run = self.start("deployment_files")
        self.green("deployment_files", run, LONG)
        runs = ResultHistory.of(self.store.files).runs()
        refused = sorted(one.quarantined for one in runs if "orders" in one.dataset)
        listed = self.stack.s3().list_objects_v2(Bucket=BUCKET, Prefix="quarantine/")
        assert refused == list(range(FILES)), refused
        assert listed["KeyCount"] == FILES, listed  # one without rows says that none was refused
        files = f"{listed['KeyCount']} quarantine files"
        return f"{FILES} results are filed and readable; {sum(refused)} rows in {files}"

    def killed(self) -> str:
        """A worker killed while it reads the second page, and one killed while it commits."""
        faults = f"{self.stack.emulator('slow')}/emulator/faults"
        fault = {"kind": "delay", "seconds": 25, "page": 2}
        requests.post(faults, json=fault, timeout=10).raise_for_status()
        read = self._killed(
            "read", "io_intelligence_storage", lambda: not requests.get(faults, timeout=10).json()
        )
        self.relay.gate = gate = threading.Barrier(2)
        commit = self._killed("commit", "relayed", self._committing, lambda: gate.wait(30))
        return f"{read}; {commit}"

    def _killed(
        self, moment: str, storage: str, came: Callable[[], bool], release: Callable[[], Any] = lambda: None
    ) -> str:
        """Kill the worker of a snapshot when a moment has come; return what was left, and what filed it."""
        store = self.open_store(f"killed/{moment}")
        url = self.relay.url if storage == "relayed" else self.stack.emulator("slow")
        run = self.start("deployment_killed", root=moment, storage=storage)
        try:
            wait_until(came, f"the {moment}")
            worker = wait_until(
                lambda: self.stack.holder(urlsplit(url).port or 0), f"the worker of the {moment}"
            )
            self.stack.kill(worker)
            killed = time.monotonic()
            assert store.dates() == []
            listed = self.stack.s3().list_objects_v2(Bucket=BUCKET, Prefix=f"killed/{moment}/")
            files = [item["Key"].split("/")[2] for item in listed.get("Contents", [])]
            release()  # the process is gone: nothing follows
        finally:
            self.relay.mend()
        self.green("deployment_killed", run)
        took = time.monotonic() - killed
        (task,) = self.tasks("deployment_killed", run)
        assert task["try_number"] > 1, task
        assert (store.dates(), store.read().num_rows, store.runs()[-1].outcome) == (
            [self.today],
            26,
            "passed",
        )
        self.stack.start(worker)
        left = f"files in {', '.join(sorted(set(files)))}" if files else "no file"
        return (
            f"{worker} killed in the {moment}, which left no snapshot and {left}: "
            f"try {task['try_number']} filed it after {took:.0f} s"
        )

    def _committing(self) -> bool:
        return any("PUT" in line and "models.parquet" in line for line in self.relay.asked)

    def watcher(self) -> str:
        """The watcher goes on after restarts of the triggerer and the API server."""
        watch = "io_intelligence_watch"
        self.serve(self.days[-1])
        self.unpause(watch)
        polls = f"{self.stack.emulator()}/emulator/requests"

        def watched() -> list[str]:
            return [state for run, state in self.runs(DAILY).items() if run.startswith("watch__")]

        def poll(more: int = 2) -> None:
            asked = len(requests.get(polls, timeout=10).json())
            if asked < 990:
                wait_until(lambda: len(requests.get(polls, timeout=10).json()) >= asked + more, "polls")

        poll()
        before = len(watched())
        self.stack.restart("triggerer")
        poll()
        self.stack.restart("api-server")
        wait_until(lambda: self.stack.healthy("scheduler", "dag_processor", "triggerer"), "the restart")
        poll()
        assert len(watched()) == before, "a restart started a run"
        filed = self.store.info(self.today).snapshot_id
        self.serve(self.days[-2])
        wait_until(lambda: watched().count("success") == before + 1, "the run of the event")
        poll()
        self.api("PATCH", f"dags/{watch}", {"is_paused": True})
        assert len(watched()) == before + 1
        assert self.store.info(self.today).snapshot_id != filed
        return "polls went on after both restarts, which started no run; prices that moved started one, green"

    def page(self) -> str:
        """The page by role, with its static files, below the prefix; both workers of the server alike."""
        allowed: Mapping[str | None, int] = {
            None: 401, "public": 403, "viewer": 403, "reader": 200, "op": 200, "admin": 200,
        }  # fmt: skip
        for path in (PAGE, *(f"{PAGE}api/{name}" for name in ("status", "overview", "models", "quality"))):
            found = {user: self.get(path, user).status_code for user in allowed}
            assert found == allowed, (path, found)
        bare = self.get(PAGE.rstrip("/"), "op")
        assert urlsplit(bare.url).path == PREFIX + PAGE, bare.url
        fetched = self._crawl()
        status = self.get(f"{PAGE}api/status", "op")
        again = self.get(f"{PAGE}api/status", "op", **{"If-None-Match": status.headers["etag"]})
        assert again.status_code == 304
        return (
            "nobody 401, Public and Viewer 403, a Viewer with can_read on Plugins, Op and Admin 200; "
            f"{fetched} files of the page load below the prefix; {self._workers()}; 304 through nginx"
        )

    def _crawl(self) -> int:
        """Log in with the form as a browser does, load the page and all it refers to; return the number."""
        base, browser = self.stack.url, requests.Session()
        form = browser.get(f"{base}/auth/login", timeout=60)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form.text)
        given = {"username": "reader", "password": self.stack.passwords["reader"]}
        given |= {"csrf_token": token[1]} if token else {}
        browser.post(form.url, data=given, timeout=60, headers={"Referer": form.url})
        assert "_token" in browser.cookies, f"no login at {form.url}"
        # Also the address without its slash.
        for entry in (base + PAGE.rstrip("/"), base + PAGE):
            answer = browser.get(entry, timeout=60)
            assert (answer.status_code, answer.url) == (200, base + PAGE), entry
            assert "<title>IO Intelligence</title>" in answer.text, entry
        seen, waiting = set(), [(base + PAGE, answer.text)]
        while waiting:
            where, text = waiting.pop()
            for link in (_LINKED if where.endswith("/") else _IMPORTED).findall(text):
                url = urljoin(where, link)
                if url not in seen:
                    seen.add(url)
                    one = browser.get(url, timeout=60)
                    assert (one.status_code, url.startswith(base)) == (200, True), url
                    waiting.append((url, one.text))
        return len(seen)

    def _workers(self) -> str:
        """Ask both workers of the API server, and compare what they answer."""
        answers: dict[int, set[tuple[str | None, bytes]]] = {}
        port = self.stack.ports["api"]
        open_ones = []
        while len(answers) < 2 and len(open_ones) < 60:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            open_ones.append(connection)  # kept open, so that the other worker gets the next
            for name in ("models", "changes"):
                headers = {"Cookie": f"_token={self.token('op')}"}
                connection.request("GET", f"{PREFIX}{PAGE}api/{name}", headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                here = connection.sock.getsockname()[1]
                (pid,) = {
                    one.pid for one in psutil.net_connections("tcp4")
                    if one.laddr.port == port and one.raddr and one.raddr.port == here
                }  # fmt: skip
                answers.setdefault(pid, set()).add((answer.getheader("etag"), body))
        for connection in open_ones:
            connection.close()
        assert len(answers) == 2, f"{len(open_ones)} connections reached {len(answers)} workers"
        first, second = answers.values()
        assert first == second, [sorted(etag or "" for etag, _ in one) for one in (first, second)]
        return "both API server workers answer alike, ETag and body"

    def logs(self) -> str:
        """The logs of tasks are in the object store, readable in Airflow, and hold no key."""
        done = self.api("GET", "dags/~/dagRuns/~/taskInstances?limit=100&state=success")["task_instances"]
        ended = {
            f"tasks/dag_id={task['dag_id']}/run_id={task['dag_run_id']}/task_id={task['task_id']}/"
            + ("" if task["map_index"] < 0 else f"map_index={task['map_index']}/")
            + f"attempt={task['try_number']}.log"
            for task in done
        }
        # A task uploads its log after it has succeeded.
        wait_until(lambda: ended <= set(self._keys_of_logs()), "the logs of the tasks on S3")
        keys = self._keys_of_logs()
        texts = [self.stack.s3().get_object(Bucket=LOGS, Key=key)["Body"].read() for key in keys]
        parts = [
            self.stack.home / f"{name}.log" for name in ("scheduler", "triggerer", "api-server", *WORKERS)
        ]
        texts += [part.read_bytes() for part in parts]
        assert not [text for text in texts if self.stack.key.encode() in text], "the key is in a log"
        assert not [text for text in texts if b"RFC3986" in text], "a warning of the connection's type"
        run = next(run for run, state in self.runs(DAILY).items() if state == "success")
        log = self.api("GET", f"dags/{DAILY}/dagRuns/{run}/taskInstances/snapshot/logs/1?full_content=true")
        assert "Filed 26 models" in str(log["content"]), str(log)[:2_000]
        return f"{len(keys)} logs of tasks on S3, shown by Airflow; no key in any log"

    def _keys_of_logs(self) -> list[str]:
        pages = self.stack.s3().get_paginator("list_objects_v2").paginate(Bucket=LOGS)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    ORDER: Final = ("daily", "load", "page", "teams", "files", "killed", "watcher", "logs")


def main() -> int:
    """Bring the deployment up, run the checks, bring it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds venv, with the wheel")
    parser.add_argument(
        "checks", nargs="*", metavar="CHECK", help=f"of {', '.join(Checks.ORDER)}; default: all"
    )
    parser.add_argument("--stay", action="store_true", help="leave it up until Ctrl-C")
    asked = parser.parse_args()
    if unknown := set(asked.checks) - set(Checks.ORDER):
        parser.error(f"no such check: {', '.join(sorted(unknown))}")
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _interrupt)
    began = time.monotonic()
    relays: list[Relay] = []

    def storages(s3_url: str) -> dict[str, str]:
        where = urlsplit(s3_url)
        relays.append(Relay((where.hostname or "", where.port or 0)))
        return {"relayed": relays[0].url}

    code = 0
    with Receiver() as receiver:
        stack = Stack(asked.folder.resolve(), receiver, storages)
        try:
            with stack:
                print(f"{stack.versions()}\nup after {time.monotonic() - began:.0f} s", flush=True)
                checks = Checks(stack, receiver, relays[0])
                code = _run(checks, asked.checks or Checks.ORDER)
                if asked.stay:
                    print(
                        f"{stack.url}  admin {stack.passwords['admin']}  reader {stack.passwords['reader']}"
                    )
                    signal.pause()
        except KeyboardInterrupt:
            print("stopped")
            code = 130
        finally:
            for relay in relays:
                relay.close()
    left = stack.left()
    print(f"down after {time.monotonic() - began:.0f} s; left behind: {', '.join(left) or 'nothing'}")
    return code or bool(left)


def _run(checks: Checks, names: Sequence[str]) -> int:
    """Run checks, also after one that failed; return 1 if one did."""
    failed = 0
    for name in names:
        started = time.monotonic()
        check: Callable[[], str] = getattr(checks, name)
        try:
            seen, word = check(), "ok"
        except Exception:  # noqa: BLE001 - whatever it is, the deployment comes down and the others run
            seen, word, failed = traceback.format_exc(), "FAILED", 1
        print(f"{word}  {name}: {seen}  ({time.monotonic() - started:.0f} s)", flush=True)
    return failed


def _interrupt(*_: object) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # a second Ctrl-C would leave processes behind
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
