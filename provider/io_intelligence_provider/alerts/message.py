"""Builds the message of a digest and renders it as text, Markdown, HTML and Slack blocks."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from markupsafe import Markup

from io_intelligence_provider.alerts.digest import Alert, Digest
from io_intelligence_provider.changes.kinds import MODEL_ADDED, PRICE
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME
from io_intelligence_provider.errors import ConfigurationError

__all__ = [
    "MAX_LINES",
    "Block",
    "Change",
    "DigestMessage",
    "Link",
    "Note",
    "Rule",
    "Title",
    "blocks",
    "clean",
    "described",
    "to_html",
    "to_markdown",
    "to_slack",
    "to_text",
]


class DigestMessage:
    """Renders a digest in each format on first use, all from the same blocks.

    :param digest: the alerts to send.
    :param link: http or https URL of a page with more details.
    """

    def __init__(self, digest: Digest, *, link: str | None = None) -> None:
        self._digest = digest
        self._link = link

    @cached_property
    def _blocks(self) -> list[Block]:
        return blocks(self._digest, link=self._link)

    @property
    def subject(self) -> str:
        """Return one line with the number of changes and the day; it holds no text from the API."""
        return next(block.text for block in self._blocks if isinstance(block, Title))

    @property
    def count(self) -> int:
        """Return the number of changes, including those that a long message leaves out."""
        return self._digest.count

    @property
    def text(self) -> str:
        """Return plain text."""
        return to_text(self._blocks)

    @property
    def markdown(self) -> str:
        """Return Markdown (CommonMark and GitHub's)."""
        return to_markdown(self._blocks)

    @property
    def html(self) -> Markup:
        """Return a fragment of escaped HTML; a template with autoescaping does not escape it again."""
        return Markup(to_html(self._blocks))  # noqa: S704 - to_html escapes all text from outside

    @property
    def slack_blocks(self) -> list[dict[str, Any]]:
        """Return Slack's Block Kit blocks."""
        return to_slack(self._blocks)

    def to_dict(self) -> dict[str, Any]:
        """Return all changes as plain JSON values; none is left out."""
        return {"subject": self.subject, "count": self.count} | self._digest.to_dict()


MAX_LINES: Final = 40
"""The default number of changes that a message shows."""


@dataclass(frozen=True)
class Title:
    """Holds the title, which has no text from outside."""

    text: str


@dataclass(frozen=True)
class Rule:
    """Names the rule whose changes follow."""

    name: str
    count: int


@dataclass(frozen=True)
class Change:
    """Describes one change of a model."""

    model: str
    text: str


@dataclass(frozen=True)
class Note:
    """Holds a remark, which has no text from outside."""

    text: str


@dataclass(frozen=True)
class Link:
    """Links to a page with more details."""

    url: str
    text: str


Block: TypeAlias = Title | Rule | Change | Note | Link


def blocks(digest: Digest, *, link: str | None = None, max_lines: int = MAX_LINES) -> list[Block]:
    """Return the content of a message.

    :param link: http or https URL of a page with more details.
    :param max_lines: the number of changes to show, at least 1; a note counts the ones left out.
    :raises ConfigurationError: when the link is not an http or https URL.
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


_LONGEST_VALUE: Final = 80
_DIRECTIONS: Final = {True: {"up": "dearer", "down": "cheaper"}, False: {"up": "higher", "down": "lower"}}
_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # scripts and emoji need them


def clean(text: str, longest: int = 120) -> str:
    """Return text from outside on one line, without control and direction characters, cut to a length.

    Right-to-left text is isolated, so that it does not reorder the text beside it.
    """
    shown = "".join(
        char
        if not unicodedata.category(char).startswith("C") or char in _JOINERS
        else "\N{REPLACEMENT CHARACTER}"
        for char in " ".join(text[: 4 * longest].split())
    )
    if len(shown) > longest or len(text) > 4 * longest:
        shown = f"{shown[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
    if any(unicodedata.bidirectional(char) in ("R", "AL", "RLE", "RLO", "RLI") for char in shown):
        shown = f"\N{FIRST STRONG ISOLATE}{shown}\N{POP DIRECTIONAL ISOLATE}"
    return shown


def described(alert: Alert) -> str:
    """Describe a change without the name of the model, cleaned and in at most 300 characters.

    ``input token price: 0.15 → 0.2 USD per 1M tokens, +33.33 %, dearer``
    """
    if alert.field is None:
        text = _presence(alert)
    else:
        text = f"{_label(alert.field)}: {_value(alert, alert.old_value)} → {_value(alert, alert.new_value)}"
        column = COLUMN_BY_NAME.get(alert.field)  # None for a key of `extra`
        if column and (unit := column.unit):
            text += f" {unit.replace('million', '1M')}"
        if alert.pct is not None:
            text += f", {_per_cent(alert.pct)}"
        if alert.direction is not None:
            text += f", {_DIRECTIONS[alert.change == PRICE][alert.direction]}"
    if alert.correction:
        told = "" if alert.told == alert.old_value else f" (sent before: {_value(alert, alert.told)})"
        return f"correction{told}: {text}"
    return f"{text}, since {alert.since}"


def _presence(alert: Alert) -> str:
    if alert.new_value is not None:
        return f"is {alert.new_value} after all"
    return "is new" if alert.change == MODEL_ADDED else "is gone"


def _label(field: str) -> str:
    if field not in COLUMN_BY_NAME:
        return clean(field, _LONGEST_VALUE)  # a key of `extra`: text from the API
    return field.removesuffix("_tier_1").replace("_", " ")


def _value(alert: Alert, value: str | None) -> str:
    if value is None:
        return "not published"
    if alert.change == PRICE and value == "0":
        return "0 (free)"
    return clean(value, _LONGEST_VALUE) or '""'


def _per_cent(pct: float) -> str:
    if abs(pct) >= 1e15:
        return f"{pct:+.3g} %"
    text = f"{pct:+.2f}".rstrip("0").rstrip(".")
    return f"{text} %" if text not in ("+0", "-0") else f"{pct:+.2g} %"


def to_text(found: list[Block]) -> str:
    """Return plain text."""
    lines = []
    for block in found:
        match block:
            case Title(text):
                lines += [text]
            case Rule(name, count):
                lines += ["", f"{name} ({count})"]
            case Change(model, text):
                lines += [f"- {model}: {text}"]
            case Note(text):
                lines += ["", text]
            case Link(url, text):
                lines += ["", f"{text}: {url}"]
    return "\n".join(lines) + "\n"


def to_markdown(found: list[Block]) -> str:
    """Return Markdown (CommonMark and GitHub's)."""
    lines = []
    for block in found:
        match block:
            case Title(text):
                lines += [f"## {_md(text)}"]
            case Rule(name, count):
                lines += ["", f"**{_md(name)}** ({count})", ""]
            case Change(model, text):
                lines += [f"- **{_md(model)}** {_md(text)}"]
            case Note(text):
                lines += ["", f"_{_md(text)}_"]
            case Link(url, text):
                lines += ["", f"[{text}](<{url}>)"]
    return "\n".join(lines) + "\n"


def _md(text: str) -> str:
    # Escapes all inline syntax. Of the dots, only the one of `www.` makes a link of a bare address.
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|<>~&:@=\"'$^])", r"\\\1", text)
    return re.sub(r"(?i)(www)\.", r"\1\\.", escaped)


def to_html(found: list[Block]) -> str:
    """Return a fragment of HTML for an email, without styles and scripts."""
    parts: list[str] = []
    in_list = False
    for block in found:
        if in_list and not isinstance(block, Change):
            parts.append("</ul>")
            in_list = False
        match block:
            case Title(text):
                parts.append(f"<h2>{html.escape(text)}</h2>")
            case Rule(name, count):
                parts.append(f"<h3><bdi>{html.escape(name)}</bdi> ({count})</h3>")
            case Change(model, text):
                parts += [] if in_list else ["<ul>"]
                in_list = True
                parts.append(f"<li><b><bdi>{html.escape(model)}</bdi></b> {html.escape(text)}</li>")
            case Note(text):
                parts.append(f"<p><i>{html.escape(text)}</i></p>")
            case Link(url, text):
                parts.append(f'<p><a href="{html.escape(url)}">{html.escape(text)}</a></p>')
    return "\n".join([*parts, "</ul>"] if in_list else parts) + "\n"


_SECTION: Final = 2_900  # Slack takes 3,000 characters a section
_BLOCKS: Final = 50  # Slack takes 50 blocks a message


def to_slack(found: list[Block]) -> list[dict[str, Any]]:
    """Return Block Kit blocks for a webhook or ``chat.postMessage``, within Slack's limits."""
    sections: list[str] = []
    title, lines = "", []
    for block in found:
        match block:
            case Title(text):
                title = text
            case Rule(name, count):
                lines.append(f"{_code(name)} ({count})")
            case Change(model, text):
                lines.append(f"• {_code(model)} {_mrkdwn(text)}")
            case Note(text):
                lines.append(_mrkdwn(text))
            case Link(url, text):
                lines.append(f"<{_entities(url)}|{_entities(text)}>")
    for line in lines:
        if sections and len(sections[-1]) + len(line) < _SECTION:
            sections[-1] += f"\n{line}"
        else:
            sections.append(line)
    rest = len(sections) - (_BLOCKS - 1)
    if rest > 0:
        sections = [*sections[: _BLOCKS - 2], "The rest is too long for Slack."]
    head = {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": False}}
    return [head, *({"type": "section", "text": _text(section)} for section in sections)]


def _text(section: str) -> dict[str, Any]:
    # verbatim keeps Slack from turning addresses into links and names into mentions.
    return {"type": "mrkdwn", "text": section, "verbatim": True}


def _entities(text: str) -> str:
    return html.escape(text, quote=False)


def _code(text: str) -> str:
    # No character formats within code, so only the backtick, which ends it, is replaced.
    return f"`{_entities(text.replace('`', chr(0x2CB)))}`"


def _mrkdwn(text: str) -> str:
    # mrkdwn has no escapes; a mark formats only at the edge of a word, which an invisible joiner prevents.
    return re.sub(r"([*_~`])", "\N{WORD JOINER}\\1\N{WORD JOINER}", _entities(text))
