"""Handles errors: the responses say what was asked, what came back and what to do, without secrets."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from io_intelligence_provider.errors import (
    ConfigurationError,
    IOIntelligenceError,
    NotOnFileError,
    StorageError,
)
from io_intelligence_provider.storage.location import scrubbed

__all__ = [
    "HANDLERS",
    "ForbiddenError",
    "InvalidError",
    "Kind",
    "Problem",
    "UnreachableError",
    "problem_of",
    "scrub",
]

log = logging.getLogger(__name__)


Kind: TypeAlias = Literal[
    "unreachable", "configuration", "damaged", "not_on_file", "invalid", "login", "forbidden", "server"
]

_HEADERS: Final = {"Cache-Control": "no-store", "Vary": "Cookie, Authorization"}
_LONGEST: Final = 2_000
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class InvalidError(IOIntelligenceError):
    """Reports valid parameters that contradict each other, or a name that two models have."""


class ForbiddenError(IOIntelligenceError):
    """Reports that the user may not read the Dag that filed a result."""


class UnreachableError(StorageError):
    """Reports a store that could not be listed."""


@dataclass(frozen=True)
class Problem:
    """Describes an error response.

    :param detail: the problem with each parameter, in FastAPI's format; of a refused request the message.
    """

    status: int
    kind: Kind
    title: str
    message: str
    action: str
    detail: Sequence[dict[str, Any]] | str | None = None

    @property
    def response(self) -> Response:
        """Return the error as JSON that no cache keeps."""
        return JSONResponse(self.to_dict(), self.status, headers=_HEADERS)

    def to_dict(self) -> dict[str, Any]:
        """Return the published form."""
        error = {
            "kind": self.kind,
            "title": self.title,
            "message": scrub(self.message),
            "action": self.action,
        }
        return {"error": error} | ({} if self.detail is None else {"detail": self.detail})


_RELOAD: Final = "then reload the page"
_OF_ERROR: Final[Sequence[tuple[type[IOIntelligenceError], int, Kind, str, str]]] = (
    (
        InvalidError,
        422,
        "invalid",
        "This cannot be asked",
        "Correct the address, or start again from the overview.",
    ),
    (
        ForbiddenError,
        403,
        "forbidden",
        "You may not see the refused values",
        "Ask an administrator of Airflow for read access to that Dag.",
    ),
    (
        NotOnFileError,
        404,
        "not_on_file",
        "Not on file",
        "Choose a day, a model or a data set that the store holds.",
    ),
    (
        ConfigurationError,
        503,
        "configuration",
        "The store is not set up",
        f"Correct [io_intelligence] root and storage_conn_id, or that connection, {_RELOAD}.",
    ),
    (
        UnreachableError,
        503,
        "unreachable",
        "The store cannot be reached",
        f"Check that the storage is up and that the API server may read it, {_RELOAD}.",
    ),
    (
        StorageError,
        503,
        "damaged",
        "A file of the store cannot be read",
        f"Restore the file, or clear the task of that day to write it again, {_RELOAD}.",
    ),
)


def problem_of(error: Exception) -> Problem:
    """Return the response to an error; for an unexpected error it only refers to the log."""
    for kind_of_error, status, kind, title, action in _OF_ERROR:
        if isinstance(error, kind_of_error):
            return Problem(status, kind, title, str(error), action)
    return Problem(
        500,
        "server",
        "The page failed",
        "Airflow's API server could not make this answer.",
        "Its log says why; please report it with the lines from there.",
    )


def without_surrogates(text: str) -> str:
    """Replace lone surrogates by question marks: JSON in UTF-8 cannot hold them."""
    return _SURROGATES.sub("?", text)


def scrub(text: str) -> str:
    """Remove user names, passwords and queries from the URLs in a text, and limit its length.

    File names may contain lone surrogates, which are replaced.
    """
    text = without_surrogates(scrubbed(text))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


_LOGIN: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>IO Intelligence</title>
<link rel="icon" href="static/icon.svg" type="image/svg+xml">
<script type="module" src="static/login.js"></script></head>
<body><p>{text} <a href="../auth/login">Log in to Airflow</a>,
then open this page again.</p></body></html>
"""
_REFUSALS: Final[dict[int, tuple[Kind, str, str, str]]] = {
    401: (
        "login",
        "You are logged out",
        "Airflow does not know who asks.",
        "Log in to Airflow, then reload the page.",
    ),
    403: (
        "forbidden",
        "You may not see this page",
        "Your session is no longer valid, or your role lacks the permission “can read on Plugins”.",
        "Log in again; if that does not help, ask an administrator of Airflow for it.",
    ),
    404: ("not_on_file", "Not found", "There is nothing at this address.", "Open the page anew."),
}


def _refused(request: Request, error: HTTPException) -> Response:
    status = error.status_code
    kind, title, message, action = _REFUSALS.get(
        status, ("server", "Refused", f"Airflow refused with status {status}.", "Its log says why.")
    )
    if status in (401, 403) and request.scope["path"].endswith(("/", "/data-quality")):
        return HTMLResponse(_LOGIN.format(text=f"{title}. {message}"), status, headers=_HEADERS)
    return Problem(status, kind, title, message, action, detail=message).response


def _invalid(_: Request, error: RequestValidationError) -> Response:
    detail = [
        {
            "type": item["type"],
            "loc": list(item["loc"]),
            "msg": item["msg"].removeprefix("Value error, "),
            "input": str(item["input"])[:200],
        }
        for item in error.errors()
    ]
    message = "; ".join(f"{'.'.join(map(str, item['loc'][1:])) or 'query'}: {item['msg']}" for item in detail)
    action = "Correct the address, or start again from the overview."
    return Problem(422, "invalid", "This cannot be asked", message, action, detail).response


def _known(request: Request, error: IOIntelligenceError) -> Response:
    problem = problem_of(error)
    level = logging.INFO if problem.status < 500 else logging.WARNING
    log.log(level, "%s: %s", request.scope["path"], scrub(str(error)))
    return problem.response


def _unexpected(_: Request, error: Exception) -> Response:
    # Starlette raises the error again after this response, and SecurityMiddleware logs it.
    return problem_of(error).response


HANDLERS: Final[Mapping[Any, Any]] = {
    HTTPException: _refused,
    RequestValidationError: _invalid,
    IOIntelligenceError: _known,
    Exception: _unexpected,
}
"""The handler of each kind of exception, for FastAPI."""
