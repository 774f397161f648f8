"""A digest as a list of blocks; :mod:`~.render` makes text, Markdown, HTML and Slack blocks of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from io_intelligence_provider.changes.alert import Digest
from io_intelligence_provider.changes.words import clean, described
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["MAX_LINES", "Block", "Change", "Link", "Note", "Rule", "Title", "blocks"]

MAX_LINES: Final = 40
"""Changes that are shown unless said otherwise."""


@dataclass(frozen=True)
class Title:
    """What the message is about; our own words."""

    text: str


@dataclass(frozen=True)
class Rule:
    """The rule whose changes follow."""

    name: str
    count: int


@dataclass(frozen=True)
class Change:
    """One change: the model, and what happened to it."""

    model: str
    text: str


@dataclass(frozen=True)
class Note:
    """A remark; our own words."""

    text: str


@dataclass(frozen=True)
class Link:
    """Where to read more."""

    url: str
    text: str


Block: TypeAlias = Title | Rule | Change | Note | Link


def blocks(digest: Digest, *, link: str | None = None, max_lines: int = MAX_LINES) -> list[Block]:
    """Return the content of a message.

    :param link: http or https URL of a page that shows more.
    :param max_lines: changes to show, at least 1; how many were left out is said.
    :raises ConfigurationError: when the link is no such URL.
    """
    found: list[Block] = [Title(_title(digest.count, digest.snapshot_date))]
    left = max(max_lines, 1)
    for group in digest.groups:
        shown = group.alerts[:left]
        left -= len(shown)
        if shown:
            found.append(Rule(clean(group.rule), len(group.alerts)))
            found += [Change(clean(alert.name) or "(no name)", described(alert)) for alert in shown]
    if omitted := digest.count - (max(max_lines, 1) - left):
        found.append(Note(f"{omitted} more {'change was' if omitted == 1 else 'changes were'} left out."))
    if link is not None:
        found.append(Link(_checked(link), "Open the page"))
    return found


def _title(count: int, day: date) -> str:
    return f"IO Intelligence: {count} {'change' if count == 1 else 'changes'} on {day}"


def _checked(link: str) -> str:
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or not re.fullmatch(r"[!-~]+", link):
        raise ConfigurationError(f"The link {link!r} is no http or https URL.")
    return re.sub(r"[<>\"'`|()\\\[\]]", lambda found: f"%{ord(found.group()):02X}", link)
