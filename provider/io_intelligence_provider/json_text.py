"""Serialises decoded JSON values and keeps every digit of a number."""

from __future__ import annotations

import json
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import Any

__all__ = ["UnstorableNumber", "dump_json"]


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
