"""Provides catalogues, which return the records that the emulator serves as JSON for a day and a shape."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["Catalogue", "FixedCatalogue", "Rendered", "Shape", "encode", "render"]

Shape: TypeAlias = Literal["documented", "openai"]

_MARK: Final = "\0decimal:"
_MARKED: Final = re.compile(r'"\\u0000decimal:([^"\\]+)"')


@dataclass(frozen=True)
class Rendered:
    """One record: its JSON as sent, and the text that ``q`` searches.

    :param anew: returns the JSON for a request number, where some values differ between requests.
    """

    body: bytes
    haystack: str
    anew: Callable[[int], bytes] | None = None

    def served(self, request: int) -> bytes:
        """Return the JSON for a request number."""
        return self.body if self.anew is None else self.anew(request)


class Catalogue(Protocol):
    """The interface of a catalogue. ``as_of=None`` is the latest state."""

    @property
    def dates(self) -> tuple[date, ...]:
        """Days on which the catalogue changed; empty when it does not depend on the day."""

    def rendered(self, as_of: date | None, shape: Shape) -> Sequence[Rendered]:
        """Return the records of a day, in the order they are served.

        :raises ConfigurationError: when the catalogue has nothing for that day.
        """


class FixedCatalogue:
    """A list of records that are served unchanged for every day and shape.

    :param records: any JSON values, including invalid records; ``Decimal`` is written as a JSON number with
        all its digits, and ``bytes`` are sent unchanged.
    """

    dates: tuple[date, ...] = ()

    def __init__(self, records: Iterable[object]) -> None:
        self._rendered = tuple(render(record) for record in records)

    @classmethod
    def from_file(cls, path: str | Path) -> FixedCatalogue:
        """Read a JSON list of records, gzipped when the name ends in ``.gz``.

        :raises ConfigurationError: when the file cannot be read or is not a JSON list.
        """
        path = Path(path)
        try:
            raw = path.read_bytes()
            records = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw, parse_float=Decimal)
        except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
            raise ConfigurationError(f"Cannot read the catalogue {path}: {error}") from error
        if not isinstance(records, list):
            raise ConfigurationError(f"The catalogue {path} must be a JSON list of records")
        return cls(records)

    def rendered(self, as_of: date | None, shape: Shape) -> Sequence[Rendered]:  # noqa: ARG002 (protocol)
        return self._rendered


def render(record: object) -> Rendered:
    """Serialise one record as JSON with the text that ``q`` searches: name, description, id."""
    if isinstance(record, bytes):
        return Rendered(record, record.decode("utf-8", "replace").lower())
    words = ""
    if isinstance(record, dict):
        words = " ".join(str(record.get(key) or "") for key in ("name", "description", "id"))
    return Rendered(encode(record), words.lower())


def encode(value: object) -> bytes:
    """Return ASCII JSON. A ``Decimal`` becomes a number from its text, never through a binary float."""
    # json cannot write a number from text, so it is written as a marked string and unquoted afterwards.
    return _MARKED.sub(r"\1", json.dumps(value, default=_mark_decimal)).encode("ascii")


def _mark_decimal(value: object) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return f"{_MARK}{value}"
    raise TypeError(f"{value!r} has no JSON form; give the record as bytes")
