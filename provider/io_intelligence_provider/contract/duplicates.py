"""Finds duplicate records: equal stored values count once, differing records of one id are refused."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator

from io_intelligence_provider.catalog.pagination import Catalogue
from io_intelligence_provider.catalog.wire import record_ids, stored_form

__all__ = ["DuplicateRecords"]


class DuplicateRecords:
    """Decides which of the records with repeated ids to keep and which to refuse.

    It keeps 16 bytes for each record with a repeated id or without an id, nothing for the others.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._shape = catalogue.shape
        self._repeated = catalogue.repeated
        self._may_repeat = bool(catalogue.repeated) or catalogue.has_unidentified
        self._seen: set[bytes] = set()
        self.conflicting = self._conflicts(catalogue) if self._repeated else frozenset()

    def _conflicts(self, catalogue: Catalogue) -> frozenset[str]:
        variants: dict[str, set[bytes]] = defaultdict(set)
        for page in catalogue.pages():
            for raw, identity in zip(page, record_ids(page, self._shape), strict=True):
                if identity is not None and identity in self._repeated:
                    variants[identity].add(self._digest(raw))
        return frozenset(identity for identity, digests in variants.items() if len(digests) > 1)

    def distinct(self, pages: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        """Yield the pages without the second and later copies of records with equal stored values."""
        if not self._may_repeat:
            yield from pages
            return
        for page in pages:
            ids = record_ids(page, self._shape)
            yield [raw for raw, identity in zip(page, ids, strict=True) if self._is_first(raw, identity)]

    def _is_first(self, raw: bytes, identity: str | None) -> bool:
        if identity is not None and identity not in self._repeated:
            return True
        digest = self._digest(raw)
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True

    def _digest(self, raw: bytes) -> bytes:
        return hashlib.blake2b(stored_form(raw, self._shape), digest_size=16).digest()
