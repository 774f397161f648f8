"""Cuts, escapes and defuses text, makes file names of it, and writes JSON with every digit of a number."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any, Final

__all__ = [
    "UnstorableNumber",
    "cut",
    "dump_json",
    "escaped",
    "example_text",
    "inert",
    "path_name",
    "printable",
    "short_hash",
    "shortened",
]


def escaped(text: str) -> str:
    """Return ``text`` with lone surrogates as ``\\udXXX``, so that it can be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def cut(text: str, longest: int) -> str:
    """Return ``text``; if it is longer than ``longest``, its beginning and its length."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-16}"
"""Scripts and emoji need them; beside a Latin letter they only disguise a name."""

_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters without a width of their own that ``str.isprintable`` accepts."""


def printable(text: str) -> str:
    """Return ``text`` with a replacement character for each control, bidirectional or zero-width character.

    A joiner between two letters outside of ASCII, or a variation selector after one, is kept.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if _is_visible(text, position, char) else "\N{REPLACEMENT CHARACTER}"
        for position, char in enumerate(text)
    )


def _is_visible(text: str, position: int, char: str) -> bool:
    if char in _JOINERS:
        before, after = text[max(position - 1, 0) : position], text[position + 1 : position + 2]
        return not before.isascii() and (char == _JOINERS[2] or not after.isascii())
    return char.isprintable() and not _INVISIBLE.match(char)


_INERT: Final = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "[": "\N{FULLWIDTH LEFT SQUARE BRACKET}",
        "]": "\N{FULLWIDTH RIGHT SQUARE BRACKET}",
        "@": "\N{FULLWIDTH COMMERCIAL AT}",
        "#": "\N{FULLWIDTH NUMBER SIGN}",
        "~": "\N{TILDE OPERATOR}",
    }
)
_FIELD: Final = r"(?<=(?<!\S)extra\.)\w*_\w*(?!\S)"
"""The key in the name of a field, to be copied into a rule: no top-level domain has an underscore."""
_DOMAIN_DOT: Final = re.compile(rf"(?<=\w)\.(?=[^\W\d_]{{2}})(?!{_FIELD})")


def inert(text: str) -> str:
    """Return ``text`` so that no reader of plain text makes a mention or a link of it.

    Chat systems and mail programs look for ``<!channel>``, ``@name``, ``#name``, ``~name``, ``[text](url)``,
    ``https://`` and bare names of hosts. Their marks are replaced by characters that look alike. A field such
    as ``extra.owned_by`` stays as it is.
    """
    slashes = "\N{DIVISION SLASH}" * 2
    return _DOMAIN_DOT.sub("\N{ONE DOT LEADER}", text.translate(_INERT).replace("://", f":{slashes}"))


class UnstorableNumber:
    """A JSON number that neither int nor Decimal can hold, kept as its text."""

    def __init__(self, text: str) -> None:
        self.text = text


def dump_json(value: Any, *, sort_keys: bool = False) -> str:
    """Serialise a decoded value as ASCII JSON with every digit of its numbers.

    :param sort_keys: sort the keys of objects, so that equal objects give equal texts.
    :raises RecursionError: when it is nested some hundred levels deep.
    """
    if type(value) is str:
        return encode_basestring_ascii(value)
    if isinstance(value, dict):
        items = sorted(value.items()) if sort_keys else value.items()
        pairs = [
            f"{encode_basestring_ascii(key)}: {dump_json(item, sort_keys=sort_keys)}" for key, item in items
        ]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([dump_json(item, sort_keys=sort_keys) for item in value]) + "]"
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, UnstorableNumber):
        return value.text
    return json.dumps(value)


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


def shortened(text: str, longest: int) -> str:
    """Return the beginning of a text that takes at most ``longest`` characters in ASCII JSON."""
    text = text[:longest]
    while len(json.dumps(text)) - 2 > longest:
        text = text[:-1]
    return text
