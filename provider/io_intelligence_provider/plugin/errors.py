"""Builds error responses: they say what was asked, what came back and what to do, without secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from io_intelligence_provider.errors import (
    ConfigurationError,
    IOIntelligenceError,
    NotOnFileError,
    StorageError,
)
from io_intelligence_provider.storage.location import scrubbed

__all__ = ["InvalidError", "Kind", "Problem", "UnreachableError", "problem_of", "scrub"]


Kind: TypeAlias = Literal[
    "unreachable", "configuration", "damaged", "not_on_file", "invalid", "login", "forbidden", "server"
]

_LONGEST: Final = 2_000
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class InvalidError(IOIntelligenceError):
    """Reports valid parameters that contradict each other, or a name that two models have."""


class UnreachableError(StorageError):
    """Reports a store that could not be listed."""


@dataclass(frozen=True)
class Problem:
    """Describes an error response.

    :param detail: the problem with each parameter, in FastAPI's format.
    """

    status: int
    kind: Kind
    title: str
    message: str
    action: str
    detail: Sequence[dict[str, Any]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the published form."""
        error = {
            "kind": self.kind,
            "title": self.title,
            "message": scrub(self.message),
            "action": self.action,
        }
        return {"error": error} | ({} if self.detail is None else {"detail": list(self.detail)})


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
        NotOnFileError,
        404,
        "not_on_file",
        "Not on file",
        "Choose a day or a model that the store holds.",
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


def scrub(text: str) -> str:
    """Remove user names, passwords and queries from the URLs in a text, and limit its length.

    Surrogates, which file names may contain, become question marks: JSON in UTF-8 cannot hold them.
    """
    text = _SURROGATES.sub("?", scrubbed(text))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
