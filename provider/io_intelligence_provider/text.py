"""Cuts and escapes text for display and storage, and makes names for files of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["cut", "escaped", "example_text", "path_name", "printable", "short_hash"]


def escaped(text: str) -> str:
    """Return ``text`` with lone surrogates as ``\\udXXX``, so that it can be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text: str, longest: int) -> str:
    """Return ``text``; if it is longer than ``longest``, its beginning and its length."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def printable(text: str) -> str:
    """Return ``text`` without control characters and bidirectional marks."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def example_text(example: Mapping[str, Any], longest: int = 300) -> str:
    """Return an example of a failure in one line: ``row: 1, value: -2.0``."""
    shown = ", ".join(f"{key}: {value}" for key, value in example.items() if value is not None)
    return printable(cut(shown, longest))


def path_name(text: str, longest: int = 60) -> str:
    """Return a text as a part of a path: its last characters as far as allowed there, and its hash."""
    slug = re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")[-longest:].strip("-.")
    return f"{slug}-{short_hash(text)}"


def short_hash(text: str) -> str:
    """Return eight hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
