"""Asks the Airflow of a deployment through its public address: its API and its pages, as a user."""

from __future__ import annotations

from collections import Counter
from typing import Any

import requests

from deployment.stack import Stack
from helpers.http_clients import wait_until

__all__ = ["Airflow"]


class Airflow:
    """Asks Airflow through nginx."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._tokens: dict[str, str] = {}

    def token(self, user: str) -> str:
        """Return a user's token, as the login of a script gets it through nginx."""
        if user not in self._tokens:
            given = {"username": user, "password": self.stack.passwords[user]}
            answer = requests.post(f"{self.stack.url}/auth/token", json=given, timeout=60)
            assert answer.status_code == 201, f"the login of {user}: {answer.status_code} {answer.text[:300]}"
            self._tokens[user] = answer.json()["access_token"]
        return self._tokens[user]

    def api(self, method: str, path: str, body: Any = None, user: str = "admin") -> Any:
        """Ask Airflow's API through nginx."""
        headers = {"Authorization": f"Bearer {self.token(user)}"}
        url = f"{self.stack.url}/api/v2/{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=60)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def unpause(self, dag_id: str) -> None:
        """Unpause a Dag as soon as the Dag processor has read its file."""
        wait_until(lambda: self.api("GET", f"dags?dag_id_pattern={dag_id}")["dags"], dag_id)
        self.api("PATCH", f"dags/{dag_id}", {"is_paused": False})

    def start(self, dag_id: str, **conf: Any) -> str:
        """Start a run; return its id."""
        self.unpause(dag_id)
        return str(
            self.api("POST", f"dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        )

    def runs(self, dag_id: str) -> dict[str, str]:
        """Return the state of each run of a Dag."""
        runs = self.api("GET", f"dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        return {run["dag_run_id"]: run["state"] for run in runs}

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        found = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        return list(found["task_instances"])

    def green(self, dag_id: str, run_id: str | None = None, seconds: float = 300) -> str:
        """Wait until a run, by default the first of the Dag, has ended; return its id if it succeeded."""

        def ended() -> str | None:
            found = {run: state for run, state in self.runs(dag_id).items() if run_id in (None, run)}
            return next((run for run, state in found.items() if state in ("success", "failed")), None)

        run = str(wait_until(ended, f"the end of {dag_id}", seconds))
        states = Counter(task["state"] for task in self.tasks(dag_id, run))
        assert self.runs(dag_id)[run] == "success", f"{dag_id} {run}: {dict(states)}"
        return run

    def get(self, path: str, user: str | None = None, **headers: str) -> requests.Response:
        """Ask for an address below the prefix, with the cookie that a login leaves."""
        cookies = {"_token": self.token(user)} if user else {}
        return requests.get(f"{self.stack.url}{path}", cookies=cookies, headers=headers, timeout=60)
