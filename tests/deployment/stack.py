"""Runs a deployment of Airflow on this machine, from the wheel, below one folder; ``checks.py`` uses it.

PostgreSQL, Redis, an S3 server (moto), the emulator of the endpoint, an API server with two workers behind
nginx with a path prefix, scheduler, Dag processor, triggerer and two Celery workers, with the auth manager of
Flask-AppBuilder and remote logs. Each has a free port of loopback. Each process is ended by its id.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final, Self

import boto3
import psutil
import requests

from helpers.http_clients import wait_until
from io_intelligence_provider.cli.demo import Receiver, notifying
from io_intelligence_provider.cli.standalone import free_port

__all__ = ["BUCKET", "LOGS", "PREFIX", "WORKERS", "Stack"]

HOST: Final = "127.0.0.1"
PREFIX: Final = "/airflow"
BUCKET: Final = "prices"
LOGS: Final = "logs"
WORKERS: Final = ("worker-1", "worker-2")
CONNECTIONS: Final = 50
FAREWELL: Final = 8.0
"""Seconds that processes have to end before they are killed."""
USERS: Final = {"admin": "Admin", "op": "Op", "viewer": "Viewer", "reader": "Reader", "public": "Public"}
"""Users by name, each with its role. ``Reader`` is a Viewer who may also see plugins."""
_MAKE_USERS: Final = """
import json, sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
with get_application_builder() as builder:
    manager = builder.sm
    viewer = manager.find_role("Viewer")
    manager.bulk_sync_roles([{"role": "Reader", "perms": [("can_read", "Plugins")]}])
    roles = {"Reader": [viewer, manager.find_role("Reader")]}
    for name, (role, password) in json.load(sys.stdin).items():
        given = roles.get(role) or [manager.find_role(role)]
        assert manager.add_user(name, name, "Test", name + "@example.test", given, password=password)
"""
_NGINX: Final = """
daemon off;
pid nginx.pid;
error_log stderr;
{user}
events {{ }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    server {{
        listen {host}:{port};
        location {prefix}/ {{ proxy_pass http://{host}:{api}; }}  # with the prefix: see docs/deployment.md
    }}
}}
"""


def listens(port: int) -> bool:
    """Return whether something accepts connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


class Stack:
    """Runs the deployment while the ``with`` block runs.

    :param folder: holds ``venv``, with the wheel; ``run`` below it is emptied first, and keeps the logs.
    :param storages: further connections of object stores: endpoint URLs by connection id.
    """

    def __init__(
        self, folder: Path, receiver: Receiver, storages: Callable[[str], Mapping[str, str]]
    ) -> None:
        self.bin = folder / "venv" / "bin"
        self.home = folder / "run"
        self._receiver, self._storages = receiver, storages
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._postgres = Path()
        names = ("postgres", "redis", "s3", "emulator", "slow", "api", "nginx", "triggerer")
        self.ports = {name: free_port() for name in (*names, *WORKERS)}
        self.key = f"iok-{secrets.token_hex(16)}"
        self.passwords = {name: secrets.token_urlsafe(12) for name in USERS}
        self._password = secrets.token_hex(16)
        self.url = f"http://{HOST}:{self.ports['nginx']}{PREFIX}"
        self.s3_url = f"http://{HOST}:{self.ports['s3']}"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))
        } | self._settings()

    def emulator(self, name: str = "emulator") -> str:
        """Return the URL of one of the two emulators; ``slow`` serves those whom faults are meant for."""
        return f"http://{HOST}:{self.ports[name]}"

    def _settings(self) -> dict[str, str]:
        database = f"airflow:{self._password}@{HOST}:{self.ports['postgres']}/airflow"
        settings = {
            "API__BASE_URL": self.url,
            "API__HOST": HOST,
            "API__PORT": self.ports["api"],
            "API__SECRET_KEY": secrets.token_hex(32),
            "API__WORKERS": 2,
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "CELERY__BROKER_URL": f"redis://:{self._password}@{HOST}:{self.ports['redis']}/0",
            "CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://{database}",
            "CELERY__WORKER_CONCURRENCY": 2,
            "CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "CORE__DAGS_FOLDER": self.home / "dags",
            "CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{self.ports['api']}{PREFIX}/execution/",
            "CORE__EXECUTOR": "CeleryExecutor",
            "CORE__FERNET_KEY": secrets.token_urlsafe(32) + "=",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__PARALLELISM": 4,
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 30,
            "DAG_PROCESSOR__PARSING_PROCESSES": 1,
            "DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
            "IO_INTELLIGENCE__ROOT": f"s3://{BUCKET}/store",
            "IO_INTELLIGENCE__STORAGE_CONN_ID": "io_intelligence_storage",
            "LOGGING__DELETE_LOCAL_LOGS": "True",
            "LOGGING__NAMESPACE_LEVELS": "airflow.models.connection=ERROR",
            "LOGGING__REMOTE_BASE_LOG_FOLDER": f"s3://{LOGS}/tasks",
            "LOGGING__REMOTE_LOGGING": "True",
            "LOGGING__REMOTE_LOG_CONN_ID": "io_intelligence_storage",
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 45,
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 5,
            "LOGGING__TRIGGER_LOG_SERVER_PORT": self.ports["triggerer"],
            "WORKERS__EXECUTION_API_TIMEOUT": 60,  # the default of 5 s is too short on a busy machine
        }
        return {f"AIRFLOW__{name}": str(value) for name, value in settings.items()} | {
            "AIRFLOW_HOME": str(self.home / "airflow"),
            "EMULATOR_KEY": self.key,
            "DEPLOYMENT_CONNECTIONS": str(CONNECTIONS),
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
        }

    def __enter__(self) -> Self:
        # Processes whose parent was killed become children of this one, which finds and ends them.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()
        try:
            self._up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _up(self) -> None:
        self._start_postgres()
        redis = f"bind {HOST}\nport {self.ports['redis']}\nrequirepass {self._password}\nsave ''\n"
        self._write("redis.conf", redis)
        self._start("redis", "redis-server", self.home / "redis.conf", "--dir", self.home)
        self._start("s3", self.bin / "moto_server", "-H", HOST, "-p", self.ports["s3"])
        for name in ("emulator", "slow"):
            emulate = ("emulate", "--port", self.ports[name], "--api-key-env", "EMULATOR_KEY")
            self._start(name, self.bin / "io-intelligence", *emulate)
        self._write_dags()
        self.airflow("db", "migrate")
        users = {name: [role, self.passwords[name]] for name, role in USERS.items()}
        self._run(self.bin / "python", "-c", _MAKE_USERS, text=json.dumps(users))
        self._write("connections.json", json.dumps(self._connections()))
        self.airflow("connections", "import", self.home / "connections.json")
        for name in ("redis", "s3", "emulator", "slow"):
            wait_until(lambda name=name: listens(self.ports[name]), name)
        for bucket in (BUCKET, LOGS):
            self.s3().create_bucket(Bucket=bucket)
        user = "user root;" if os.geteuid() == 0 else ""
        api, port = self.ports["api"], self.ports["nginx"]
        conf = _NGINX.format(host=HOST, prefix=PREFIX, port=port, api=api, user=user)
        self._write("nginx.conf", conf)
        self._start("nginx", "nginx", "-p", f"{self.home}/", "-c", self.home / "nginx.conf", "-e", "stderr")
        self.start("api-server")
        wait_until(self.healthy, "the API server")
        self.start("scheduler", "dag-processor", "triggerer", *WORKERS)
        wait_until(lambda: self.healthy("scheduler", "dag_processor", "triggerer"), "the parts of Airflow")

    def _start_postgres(self) -> None:
        """Start PostgreSQL, which refuses to run as root, with its data where its own user can write."""
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
        user = "postgres" if os.geteuid() == 0 else None
        self._postgres = Path(tempfile.mkdtemp(prefix="deployment-postgres-"))
        password = self._postgres / "password"
        password.write_text(self._password)
        if user:
            for path in (self._postgres, password):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        data = self._postgres / "data"
        self._run(programs / "initdb", "-D", data, "-U", "airflow", "-A", "scram-sha-256",
                  f"--pwfile={password}", user=user)  # fmt: skip
        options = ("-p", self.ports["postgres"], "-k", self._postgres, "-h", HOST, "-c", "fsync=off")
        self._start("postgres", programs / "postgres", "-D", data, *options, user=user)
        wait_until(lambda: listens(self.ports["postgres"]), "PostgreSQL")
        for name in ("airflow", "warehouse"):
            wait_until(lambda name=name: self.sql(f"CREATE DATABASE {name}", "postgres") is not None, name)

    def sql(self, query: str, database: str) -> str | None:
        """Run a query with psql; return what it printed, ``None`` when it failed."""
        where = ("-h", HOST, "-p", str(self.ports["postgres"]), "-U", "airflow", "-d", database)
        done = subprocess.run(
            ["psql", *where, "-AtX", "-v", "ON_ERROR_STOP=1", "-c", query],
            env=self.environment | {"PGPASSWORD": self._password},
            capture_output=True,
            text=True,
            check=False,
        )
        return None if done.returncode else done.stdout.strip()

    def s3(self) -> Any:
        """Return a client of the object store."""
        names = {"aws_access_key_id": "deployment", "aws_secret_access_key": self._password}
        return boto3.client("s3", endpoint_url=self.s3_url, region_name="us-east-1", **names)

    def storage_options(self) -> dict[str, Any]:
        """Return what fsspec needs for the object store."""
        return {"key": "deployment", "secret": self._password, "endpoint_url": self.s3_url}

    def _connections(self) -> dict[str, dict[str, Any]]:
        api = {"conn_type": "io_intelligence", "password": self.key}
        warehouse = {"conn_type": "postgres", "host": HOST, "port": self.ports["postgres"]}
        storages = {"io_intelligence_storage": self.s3_url, **self._storages(self.s3_url)}
        return {
            "io_intelligence_default": {**api, "host": self.emulator()},
            "slow": {**api, "host": self.emulator("slow"), "extra": {"page_size": 10, "concurrency": 1}},
            **{f"team_{number:02}": {**api, "host": self.emulator()} for number in range(CONNECTIONS)},
            "io_intelligence_webhook": {"conn_type": "generic", "host": self._receiver.url},
            "io_intelligence_warehouse": {
                **warehouse, "login": "airflow", "password": self._password, "schema": "warehouse",
            },
            **{
                name: {"conn_type": "aws", "login": "deployment", "password": self._password,
                       "extra": {"endpoint_url": url, "region_name": "us-east-1"}}
                for name, url in storages.items()
            },
        }  # fmt: skip

    def _write_dags(self) -> None:
        """Write the sample Dags, with a notifier and a watcher that polls often, and those of the checks."""
        dags = self.home / "dags"
        self._run(self.bin / "io-intelligence", "init-dag", dags)
        settings, watch = dags / "io_intelligence_settings.py", dags / "io_intelligence_watch.py"
        settings.write_text(notifying(settings.read_text("utf-8")), "utf-8")
        watch.write_text(watch.read_text("utf-8").replace("interval=900", "interval=2"), "utf-8")
        shutil.copy(Path(__file__).with_name("dags.py"), dags / "deployment_dags.py")

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")

    def _run(self, *command: object, text: str | None = None, user: str | None = None) -> str:
        """Run a command to its end; a failure raises with what it printed."""
        done = subprocess.run(
            [str(part) for part in command], env=self.environment, input=text, capture_output=True,
            text=True, check=False, user=user, cwd=tempfile.gettempdir(),
        )  # fmt: skip
        if done.returncode:
            raise AssertionError(f"{command[0]}: {done.stdout[-2_000:]}\n{done.stderr[-4_000:]}")
        return done.stdout

    def airflow(self, *arguments: object) -> str:
        """Run a command of Airflow."""
        return self._run(self.bin / "airflow", *arguments)

    def _start(self, name: str, *command: object, user: str | None = None, **environment: str) -> None:
        with (self.home / f"{name}.log").open("ab") as output:
            self._running[name] = subprocess.Popen(
                [str(part) for part in command], env=self.environment | environment, stdout=output,
                stderr=output, stdin=subprocess.DEVNULL, cwd=tempfile.gettempdir(), user=user,
                start_new_session=True,  # only this process gets Ctrl-C, and it ends the others
            )  # fmt: skip

    def start(self, *names: str) -> None:
        """Start parts of Airflow."""
        for name in names:
            command, environment = [name], {}
            if name == "api-server":
                command = [name, "--proxy-headers"]
            elif name in WORKERS:
                command = ["celery", "worker", "--celery-hostname", f"{name}@%h"]
                environment = {"AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.ports[name])}
            self._start(name, self.bin / "airflow", *command, **environment)

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the processes of a part, its own first."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._running[name].pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def kill(self, name: str) -> None:
        """Kill a part with all its processes at once, as when its machine is lost."""
        found = self.processes(name)
        for one in found:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(found, timeout=FAREWELL)
        self._running.pop(name).wait(FAREWELL)

    def restart(self, name: str) -> None:
        """Ask a part to end, then start it again."""
        found = self.processes(name)
        self._running.pop(name).terminate()
        _end(found)
        self.start(name)

    def holder(self, port: int) -> str | None:
        """Return the worker of which a process is connected to a port."""
        connected = {
            one.pid for one in psutil.net_connections("tcp4") if one.raddr and one.raddr.port == port
        }
        for name in WORKERS:
            if name in self._running and connected & {one.pid for one in self.processes(name)}:
                return name
        return None

    def healthy(self, *parts: str) -> bool:
        """Return whether the API server answers through nginx, and reports parts as healthy."""
        self.check_running()
        with suppress(requests.RequestException, ValueError):
            answer = requests.get(f"{self.url}/api/v2/monitor/health", timeout=10)
            state = answer.json() if answer.ok else {}
            return all(state.get(part, {}).get("status") == "healthy" for part in ("metadatabase", *parts))
        return False

    def versions(self) -> str:
        """Return the versions of what runs, one line."""
        (packages,) = self.bin.parent.glob("lib/python*/site-packages")
        installed = {one.name: one.version for one in distributions(path=[str(packages)])}
        providers = (f"apache-airflow-providers-{name}" for name in ("celery", "fab", "amazon", "postgres"))
        names = ("apache-airflow", *providers, "celery", "moto")
        found = [f"{name} {installed[name]}" for name in names]
        for command in ("postgres --version", "redis-server --version", "nginx -v"):
            done = subprocess.run(command.split(), capture_output=True, text=True, check=True)
            number = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
            found.append(f"{command.split('-')[0].strip()} {number[0] if number else '?'}")
        return ", ".join([f"Python {sys.version.split()[0]}", *found])

    def check_running(self) -> None:
        """Raise when a part has ended by itself, with the end of its log."""
        for name, process in self._running.items():
            if process.poll() is not None:
                log = (self.home / f"{name}.log").read_text("utf-8", "replace")
                raise AssertionError(f"{name} ended with {process.returncode}\n{log[-4_000:]}")

    def stop(self) -> None:
        """End all that was started: first what uses others, then the servers; keep the logs."""
        servers = {"postgres", "redis", "s3", "nginx"}
        for names in (self._running.keys() - servers, servers & self._running.keys()):
            found = psutil.Process().children(recursive=True)
            keep = set()
            for name in self._running.keys() - names:
                with suppress(psutil.NoSuchProcess):  # it has ended by itself
                    kept = psutil.Process(self._running[name].pid)
                    keep |= {kept, *kept.children(recursive=True)}
            for name in names:
                self._running.pop(name).terminate()
            _end([one for one in found if one not in keep])
        if self._postgres.name:
            shutil.rmtree(self._postgres, ignore_errors=True)

    def left(self) -> list[str]:
        """Return what is still there after :meth:`stop`: processes, ports, PostgreSQL's data."""
        processes = [f"process {one.pid} {one.name()}" for one in psutil.Process().children(recursive=True)]
        ports = [f"port {port} of {name}" for name, port in self.ports.items() if listens(port)]
        data = [str(self._postgres)] if self._postgres.name and self._postgres.exists() else []
        return processes + ports + data


def _end(processes: list[psutil.Process]) -> None:
    """Wait for processes that were asked to end, and kill those that stay."""
    _, left = psutil.wait_procs(processes, timeout=FAREWELL)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(left, timeout=FAREWELL)
