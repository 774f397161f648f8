"""Runs a separate Airflow below one folder, for ``make ui`` and for browser tests.

It is ``airflow standalone``: API server, scheduler, Dag processor and triggerer on SQLite, for this machine
only. The caller's Airflow is not read.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import urllib3

from io_intelligence_provider.cli.arguments import KEY_VARIABLE
from io_intelligence_provider.errors import IOIntelligenceError

__all__ = ["AirflowError", "Standalone", "airflow_environment", "free_port"]

HOST: Final = "127.0.0.1"
START_TIMEOUT: Final = 900.0
"""Timeout of a start in seconds; it takes forty on an idle machine, minutes on a busy one."""
_LOWEST, _HIGHEST = 20_000, 32_768
STOP_TIMEOUT: Final = 20.0
"""Seconds that Airflow's processes have to end before they are killed."""


class AirflowError(IOIntelligenceError):
    """Airflow did not start; the message says why, or holds the end of its log."""


def airflow_environment(home: Path, dags: Path, store: Path, api_url: str) -> dict[str, str]:
    """Return environment variables for an Airflow with its embedded defaults, without the caller's own.

    :param api_url: the API's URL for the default connection.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and name != KEY_VARIABLE
    } | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__IO_INTELLIGENCE__ROOT": str(store),
        "AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT": json.dumps({"conn_type": "io_intelligence", "host": api_url}),
        # Else Airflow warns at each look-up that a connection's type has an underscore.
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "airflow.models.connection=ERROR",
    }


class Standalone:
    """Runs Airflow while the ``with`` block runs, and ends each of its processes by id afterwards.

    :param home: its ``AIRFLOW_HOME``; that of an earlier run is reused.
    :param environment: the result of :func:`airflow_environment`, with any changes.
    :param users: names and roles of the simple auth manager; each gets a password.
    :param port: 0 is any free one.
    :param path: path of the base URL, such as ``/team/airflow``.
    :param python: the interpreter of the environment that Airflow is installed in, by default the caller's.
    """

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        users: Mapping[str, str],
        *,
        port: int = 0,
        path: str = "",
        python: Path = Path(sys.executable),
    ) -> None:
        self.home = home
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}{path}"
        self.log = home / "standalone.log"
        self.passwords: dict[str, str] = {}
        self._users = users
        self._python = python
        self._environment = dict(environment) | self._settings(path)
        self._process: subprocess.Popen[bytes] | None = None
        self._token: str | None = None

    def _settings(self, path: str) -> dict[str, str]:
        settings = {
            "API__BASE_URL": self.url,
            "API__HOST": HOST,
            "API__PORT": self.port,
            "API__WORKERS": 1,
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{self.port}{path}/execution/",
            "CORE__PARALLELISM": 2,
            "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(map(":".join, self._users.items())),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": self.home / "passwords.json",
            "DAG_PROCESSOR__PARSING_PROCESSES": 1,
            "LOGGING__WORKER_LOG_SERVER_PORT": free_port(),
            "LOGGING__TRIGGER_LOG_SERVER_PORT": free_port(),
            "WORKERS__EXECUTION_API_TIMEOUT": 60,  # the default of 5 s is too short on a busy machine
        }
        return {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        self.passwords = self._write_passwords()
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(self._python), "-m", "airflow", "standalone"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # only this process gets Ctrl-C, and it ends its children
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_passwords(self) -> dict[str, str]:
        """Write the passwords, and keep those of an earlier run, which a browser may have saved."""
        path = self.home / "passwords.json"
        known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        passwords = {name: known.get(name) or secrets.token_urlsafe(9) for name in self._users}
        path.touch(mode=0o600)
        path.write_text(json.dumps(passwords), "utf-8")
        return passwords

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self.healthy():
            if self._process is None or self._process.poll() is not None:
                raise AirflowError(f"Airflow ended before it was ready; its log is {self.log}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AirflowError(
                    f"Airflow did not start within {START_TIMEOUT:g} s; its log is {self.log}\n{self.tail()}"
                )
            time.sleep(0.5)

    def healthy(self) -> bool:
        """Return whether the API server responds and reports the other three components as healthy."""
        _, found = self._asked("GET", "/api/v2/monitor/health")
        state = found or {}
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all((state.get(part) or {}).get("status") == "healthy" for part in parts)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any] | None:
        """Send a request below ``/api/v2`` as the first user; ``None`` unless it is answered with success.

        The first request logs in, and so does one whose token is refused.
        """
        name = next(iter(self._users))
        for _ in range(2):
            if self._token is None:
                user = {"username": name, "password": self.passwords[name]}
                _, login = self._asked("POST", "/auth/token", user)
                if login is None:
                    return None
                self._token = login["access_token"]
            headers = {"Authorization": f"Bearer {self._token}"}
            status, found = self._asked(method, f"/api/v2{path}", body, headers)
            if status not in (401, 403):  # expired, invalid
                return found
            self._token = None
        return None

    def set_paused(self, dag_id: str, is_paused: bool) -> bool:
        """Pause or unpause a Dag; return whether that was done, which it is not before the Dag is parsed."""
        path = f"/dags/{dag_id}"
        # Asked for first, as each PATCH, also a refused one, is an entry in Airflow's audit log.
        return bool(self.ask("GET", path) and self.ask("PATCH", path, {"is_paused": is_paused}))

    def _asked(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int | None, dict[str, Any] | None]:
        """Return the status, ``None`` without a response, and the object that a response of success holds."""
        status = None
        try:
            answer = urllib3.request(
                method,
                f"{self.url}{path}",
                json=body,
                headers=headers,
                retries=False,
                timeout=10,
                redirect=False,
            )
            status = answer.status
            found = answer.json() if status < 300 else None
        except (urllib3.exceptions.HTTPError, ValueError):
            return status, None
        return status, found if isinstance(found, dict) else None

    def running(self) -> bool:
        """Return whether Airflow is still running."""
        return self._process is not None and self._process.poll() is None

    def tail(self) -> str:
        """Return the end of Airflow's log."""
        return self.log.read_text("utf-8", "replace")[-4_000:]

    def stop(self) -> None:
        """Terminate Airflow, and kill its remaining processes after a while; a second call does nothing."""
        import psutil  # type: ignore[import-untyped]  # comes with Airflow

        process, self._process = self._process, None
        if process is None:
            return
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            # Listed before the parent ends: orphans cannot be found any more, and tasks leave its group.
            components, started = parent.children(), parent.children(recursive=True)
            for one in (parent, *components):
                with suppress(psutil.NoSuchProcess):
                    one.terminate()
            _, left = psutil.wait_procs([parent, *started], timeout=STOP_TIMEOUT)
            for one in left:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(left, timeout=STOP_TIMEOUT)
        process.wait(STOP_TIMEOUT)


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` when nothing listens there, else any free port of this machine.

    The port is below the ephemeral range, so that no other process gets it by chance before Airflow listens.
    """
    tried = [wanted] if wanted else []
    tried += [_LOWEST + secrets.randbelow(_HIGHEST - _LOWEST) for _ in range(100)]
    for port in tried:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise AirflowError(f"No port between {_LOWEST} and {_HIGHEST} is free; give one.")
