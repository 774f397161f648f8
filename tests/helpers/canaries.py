"""Searches output for secrets in every spelling."""

from __future__ import annotations

import base64
import html
import json
import pickle
import traceback
from urllib.parse import quote, quote_plus

KEY = "io-v2/s3cr+t=K3y\"&<x>'\\%2F"


GUEST = "guest-5e55ion"


HIDDEN = "s3cret"


def everything_about(error: BaseException) -> str:
    """Return all text about an error that a log, an error page or another process could show."""
    texts = [repr(error), str(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
    link: BaseException | None = error
    while link is not None:
        texts += [repr(link), *map(repr, link.args), "".join(traceback.format_exception(link))]
        # Local variables as an error reporter prints them. Frames of the tests and their server hold the key.
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if "/tests/" not in frame.filename:
                texts.append(repr(frame.locals))
        link = link.__cause__ or link.__context__
    return "\n".join(texts)


def in_base64(text: str) -> set[str]:
    """Return the base64 texts of a secret at the three possible offsets, without the ends."""
    coded = [base64.b64encode(b"x" * before + text.encode()).decode()[4:-4] for before in range(3)]
    return {form for core in coded for form in (core, core.replace("+", "-").replace("/", "_"))}


def spellings(secret: str) -> set[str]:
    in_json = json.dumps(secret)[1:-1]
    in_url = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    every = {"".join(f"%{ord(char):02x}" for char in secret), "".join(f"\\u{ord(c):04x}" for c in secret)}
    numbers = "".join(f"&#{ord(char)};" for char in secret)
    return {secret, *in_url, *every, numbers, in_json, in_json.replace("/", "\\/"), html.escape(secret)} | {
        core for core in in_base64(secret) if len(core) >= 8
    }


def assert_hidden(seen: str, *secrets: str) -> None:
    lowered = seen.lower()
    for secret in secrets:
        assert not [spelt for spelt in spellings(secret) if spelt.lower() in lowered]
