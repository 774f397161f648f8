"""Cuts and escapes text for display and storage."""

from __future__ import annotations

__all__ = ["cut", "escaped", "printable"]


def escaped(text: str) -> str:
    """Return ``text`` with lone surrogates as ``\\udXXX``, so that it can be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text: str, longest: int) -> str:
    """Return ``text``; if it is longer than ``longest``, its beginning and its length."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def printable(text: str) -> str:
    """Return ``text`` without control characters and bidirectional marks."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
