"""Defines the faults of the emulator: the kind, the page and how often."""

from __future__ import annotations

import re
from collections.abc import Iterable
from threading import Lock
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["Drift", "Fault", "Faults"]

Kind: TypeAlias = Literal["status", "redirect", "delay", "reset", "truncate", "drift"]
Drift: TypeAlias = Literal["remove_first", "insert_first", "swap"]

_ARGUMENT_OF: Final[dict[str, str]] = {
    "status": "status",
    "redirect": "location",
    "delay": "seconds",
    "drift": "how",
}
"""The required field of a kind; in the text form it is the value of the kind."""


class Fault(BaseModel):
    """One fault. It applies to requests of the models endpoint for ``page`` (``None``: for any page).

    - ``status``: respond with ``status`` and ``body``, with ``retry_after`` as the unchanged ``Retry-After``
      header (seconds or an HTTP date).
    - ``redirect``: respond with ``status`` (302 unless given) and ``location``.
    - ``delay``: respond after ``seconds``.
    - ``reset``: reset the TCP connection (RST) without a response.
    - ``truncate``: announce the whole body, send half of it and close the connection.
    - ``drift``: respond, and change the catalogue before the next request: ``remove_first`` and
      ``insert_first`` move every later model by one and change the total; ``swap`` exchanges the first
      and the last model, so that the total stays, one model is served twice and one never.

    ``times``: the number of requests that it applies to, ``None`` for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    page: int | None = None
    times: int | None = Field(default=1, ge=1)
    status: int | None = Field(default=None, ge=200, le=599)
    retry_after: str | int | None = None
    body: str | None = None
    content_type: str = "application/json"
    location: str | None = None
    seconds: float | None = Field(default=None, ge=0)
    how: Drift | None = None

    @model_validator(mode="after")
    def _has_its_argument(self) -> Fault:
        argument = _ARGUMENT_OF.get(self.kind)
        if argument is not None and getattr(self, argument) is None:
            raise ValueError(f"a fault of kind {self.kind} needs {argument!r}")
        return self

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse a fault from its command line form.

        ``status=503,page=2,times=3,retry_after=1`` · ``delay=2`` · ``reset`` · ``truncate,page=1`` ·
        ``drift=swap,after=1`` · ``redirect=https://example.org/,status=307``; ``times=forever``.

        :raises ConfigurationError: when the text has another form.
        """
        # A comma separates only before the next key, because an HTTP date contains one.
        head, *rest = re.split(r",(?=[a-z_]+=)", text)
        kind, _, value = head.partition("=")
        fields: dict[str, Any] = {"kind": kind}
        if value:
            fields[_ARGUMENT_OF.get(kind, kind)] = value
        fields.update(dict(part.split("=", 1) for part in rest))
        if "after" in fields:
            fields["page"] = fields.pop("after")
        if fields.get("times") == "forever":
            fields["times"] = None
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, detail['loc'])) or 'fault'}: {detail['msg']}"
                for detail in error.errors()
            )
            raise ConfigurationError(f"Not a fault: {text!r} ({reasons})") from error

    def applies_to(self, page: int | None) -> bool:
        """Return whether the fault applies to a page (``page=None``: the request's page is not a number)."""
        return self.page is None or self.page == page


class Faults:
    """The pending faults, in order. Thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = Lock()
        self._faults = list(faults)

    def add(self, *faults: Fault) -> None:
        """Add faults after the pending ones."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Cancel all faults."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> tuple[Fault, ...]:
        """Return the pending faults; ``times`` is the number left."""
        with self._lock:
            return tuple(self._faults)

    def take(self, page: int | None) -> Fault | None:
        """Return the first fault that applies to a page and count it down by one."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.applies_to(page):
                    continue
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times is not None:
                    self._faults[index] = fault.model_copy(update={"times": fault.times - 1})
                return fault
        return None
