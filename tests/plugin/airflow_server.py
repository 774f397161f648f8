"""Airflow's API server with users: run by the access tests, with its environment, in a process of its own.

``python tests/plugin/airflow_server.py SOCKET`` prints one line of JSON, the token of each user, and serves
on a listening socket that it inherits, named by its number.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from typing import Any

import uvicorn
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.configuration import conf


def simple_users() -> dict[str, Any]:
    """Return users of the simple auth manager, which knows them by their tokens alone."""
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    roles = {"viewer": "viewer", "admin": "admin", "nobody": None}
    return {name: SimpleAuthManagerUser(username=name, role=role) for name, role in roles.items()}


def fab_users() -> dict[str, Any]:
    """Create users of Flask-AppBuilder's auth manager."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    roles = {
        "viewer": "Viewer",
        "reader": "Reader",
        "owner": "Owner",
        "op": "Op",
        "admin": "Admin",
        "public": "Public",
        "nobody": None,
    }
    found = {}
    with get_application_builder() as builder:
        manager = builder.sm
        reads = [("can_read", "Plugins"), ("can_read", "Website")]
        manager.bulk_sync_roles(
            [
                {"role": "Reader", "perms": reads},
                {"role": "Owner", "perms": [*reads, ("can_read", "DAG:check_orders")]},
            ]
        )
        for name, role in roles.items():
            given = [] if role is None else [manager.find_role(role)]
            found[name] = manager.add_user(
                name, name, "Test", f"{name}@example.test", given, password=secrets.token_hex()
            )
            assert found[name], f"{name} was not added"
    return found


def main() -> None:
    app = create_app()
    users = fab_users() if "Fab" in conf.get("core", "auth_manager") else simple_users()
    tokens = {name: get_auth_manager().generate_jwt(user) for name, user in users.items()}
    print(json.dumps(tokens), flush=True)  # noqa: T201 - read by the test
    os.dup2(
        sys.stderr.fileno(), sys.stdout.fileno()
    )  # nobody reads the log of requests: a full pipe would block
    listener = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
