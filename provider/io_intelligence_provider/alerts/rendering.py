"""Renders the blocks of a message as text, Markdown, HTML and Slack blocks, and escapes text from outside."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from markupsafe import Markup

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.text import inert, printable

__all__ = [
    "Block",
    "Change",
    "Fact",
    "Heading",
    "Link",
    "Message",
    "Note",
    "Omitted",
    "Part",
    "Title",
    "clean",
    "to_html",
    "to_markdown",
    "to_slack",
    "to_text",
]


@dataclass(frozen=True)
class Title:
    """Holds the subject: one line."""

    text: str


@dataclass(frozen=True)
class Heading:
    """Begins a section."""

    text: str
    detail: str = ""


@dataclass(frozen=True)
class Part:
    """Holds one of the things that a line says side by side; ``detail`` is shown in parentheses."""

    text: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.detail})" if self.detail else self.text


@dataclass(frozen=True)
class Change:
    """Describes the changes of one model, or what one check found, in one line.

    :param count: the number of changes in the line.
    :param end: words about all parts.
    :param kind: the word by which the line is counted when it is left out.
    """

    model: str
    parts: tuple[Part, ...]
    count: int = 1
    end: str = ""
    kind: str = "change"


@dataclass(frozen=True)
class Fact:
    """Holds a labelled line; never left out of a message, except where it is too long for Slack."""

    label: str
    text: str


@dataclass(frozen=True)
class Note:
    """Holds a remark."""

    text: str


@dataclass(frozen=True)
class Omitted:
    """Counts the changes, or findings, that a long message leaves out."""

    count: int
    kind: str = "change"

    @property
    def text(self) -> str:
        """The words."""
        return f"{self.count} more {self.kind}{' was' if self.count == 1 else 's were'} left out."


@dataclass(frozen=True)
class Link:
    """Links to a page with more details.

    :raises ConfigurationError: when the URL is no http or https URL.
    """

    url: str
    text: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
        except ValueError:
            parts = urlsplit("")
        is_web = parts.scheme in ("http", "https") and parts.netloc
        if not is_web or not re.fullmatch(r"[!-~]+", self.url):
            raise ConfigurationError(f"The link {self.url!r} is no http or https URL.")
        safe = re.sub(r"[<>\"'`|()\\\[\]]", lambda found: f"%{ord(found.group()):02X}", self.url)
        object.__setattr__(self, "url", safe)


Block: TypeAlias = Title | Heading | Change | Fact | Note | Omitted | Link


class Message:
    """Renders blocks in each format on first use. A notifier gets it as ``io_intelligence``."""

    @cached_property
    def _blocks(self) -> Sequence[Block]:
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """Return one line, safe for every chat and mail program."""
        return inert(next(block.text for block in self._blocks if isinstance(block, Title)))

    @property
    def text(self) -> str:
        """Return plain text, at most 12,900 characters. No name in it mentions anybody or becomes a link."""
        return to_text(_fitting(self._blocks, _text_line, lambda line: len(line) + 1, _MESSAGE))

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
        """Return Slack's Block Kit blocks, within Slack's limits."""
        return to_slack(self._blocks)


def clean(text: str, longest: int = 120) -> str:
    """Return text from outside on one line, without control and direction characters, cut to a length.

    Right-to-left text is isolated, so that it does not reorder the text beside it.
    """
    shown = printable(" ".join(text[: 4 * longest].split()))
    if len(shown) > longest or len(text) > 4 * longest:
        shown = f"{shown[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"
    if any(unicodedata.bidirectional(char) in ("R", "AL") for char in shown):
        shown = f"\N{FIRST STRONG ISOLATE}{shown}\N{POP DIRECTIONAL ISOLATE}"
    return shown


def _line(change: Change) -> str:
    return ", ".join(map(str, change.parts)) + change.end


def to_text(found: Iterable[Block]) -> str:
    """Return plain text."""
    return "\n".join(map(_text_line, found)) + "\n"


def _text_line(block: Block) -> str:
    match block:
        case Title(text):
            return inert(text)
        case Heading(text, detail):
            return f"\n{inert(str(Part(text, detail)))}"
        case Change(model):
            return f"- {inert(model)}  {inert(_line(block))}"
        case Fact(label, text):
            return f"- {inert(label)}: {inert(text)}"
        case Link(url, text):
            return f"\n{text}: {url}"
        case Note() | Omitted():
            return f"\n{inert(block.text)}"


def to_markdown(found: Iterable[Block]) -> str:
    """Return Markdown (CommonMark and GitHub's)."""
    lines: list[str] = []
    for block in found:
        match block:
            case Title(text):
                lines += [f"## {_md(text)}"]
            case Heading(text, detail):
                lines += ["", f"**{_md(text)}**{_md(f' ({detail})' if detail else '')}", ""]
            case Change(model):
                lines += [f"- **{_md(model)}** {_md(_line(block))}"]
            case Fact(label, text):
                lines += [f"- **{_md(label)}** {_md(text)}"]
            case Note() | Omitted():
                lines += ["", f"_{_md(block.text)}_"]
            case Link(url, text):
                lines += ["", f"[{text}](<{url}>)"]
    return "\n".join(lines) + "\n"


def _md(text: str) -> str:
    # Escapes all inline syntax. Of the dots, only the one of `www.` makes a link of a bare address.
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|<>~&:@=\"'$^])", r"\\\1", text)
    return re.sub(r"(?i)(www)\.", r"\1\\.", escaped)


_TABLE: Final = '<table style="border-collapse:collapse">'
_CELL: Final = 'style="padding:2px 16px 2px 0;text-align:left;vertical-align:top;font-weight:'

_SHORT: Final = 20


def to_html(found: Iterable[Block]) -> str:
    """Return a fragment of HTML for an email; it sets no colours, so that it fits light and dark."""
    parts: list[str] = []
    in_table = False
    for block in found:
        is_row = isinstance(block, Change | Fact)
        if in_table and not is_row:
            parts.append("</table>")
        if is_row and not in_table:
            parts.append(_TABLE)
        in_table = is_row
        match block:
            case Title(text):
                parts.append(f"<h2>{_isolated(text)}</h2>")
            case Heading(text, detail):
                small = f" <small>({html.escape(detail)})</small>" if detail else ""
                parts.append(f"<h3>{_isolated(text)}{small}</h3>")
            case Change(model, changes, _, end):
                cells = ", ".join(map(_html_part, changes)) + html.escape(end)
                parts.append(_row(model, cells))
            case Fact(label, text):
                parts.append(_row(label, html.escape(text)))
            case Note() | Omitted():
                parts.append(f"<p><i>{html.escape(block.text)}</i></p>")
            case Link(url, text):
                parts.append(f'<p><a href="{html.escape(url)}">{html.escape(text)}</a></p>')
    return "\n".join([*parts, "</table>"] if in_table else parts) + "\n"


def _row(label: str, cells: str) -> str:
    return f'<tr><th scope="row" {_CELL}bold">{_isolated(label)}</th><td {_CELL}normal">{cells}</td></tr>'


def _isolated(text: str) -> str:
    return f"<bdi>{html.escape(text)}</bdi>"


def _html_part(part: Part) -> str:
    # A percentage is not broken before its sign.
    style = ' style="white-space:nowrap"' if len(part.detail) < _SHORT else ""
    detail = f" (<b{style}>{html.escape(part.detail)}</b>)" if part.detail else ""
    return html.escape(part.text) + detail


_MESSAGE: Final = 12_900
"""The most characters of a message: Slack refuses some 13,000, counted here as ASCII JSON, never less."""
_SECTIONS: Final = 1_700
"""Characters of JSON around the texts of up to twenty sections."""
_FIXED: Final = 7_000
"""The most that everything but the changes may take."""
_SECTION: Final = 2_900
"""The most characters of a line: Slack takes 3,000 a section."""
_HEADER: Final = 150
"""The most characters of Slack's header."""
_MOST_HEADED: Final = 14
"""Sections that begin with a heading; further headings follow in the same section. Slack takes 50 blocks."""


def to_slack(found: Iterable[Block]) -> list[dict[str, Any]]:
    """Return Block Kit blocks for a webhook or ``chat.postMessage``, within Slack's limits.

    A message has at most 50 blocks and less than 13,000 characters. What does not fit is counted.
    """
    blocks = list(found)
    title = next((block.text for block in blocks if isinstance(block, Title)), "")
    head = {
        "type": "header",
        "text": {"type": "plain_text", "text": _cut(inert(title), _HEADER), "emoji": False},
    }
    room = _MESSAGE - _SECTIONS - len(json.dumps(head))
    sections: list[str] = []
    headed = 0
    rest = [block for block in blocks if not isinstance(block, Title)]
    for block in _fitting(rest, _slack_line, _json_size, room):
        line, begins = _slack_line(block), isinstance(block, Heading)
        starts_anew = begins and headed < _MOST_HEADED
        headed += begins
        if sections and not starts_anew and len(sections[-1]) + len(line) < _SECTION:
            sections[-1] += f"\n{line}"
        else:
            sections.append(line)
    return [head, *({"type": "section", "text": _section_text(section)} for section in sections)]


def _fitting(
    blocks: Sequence[Block], line: Callable[[Block], str], size: Callable[[str], int], room: int
) -> list[Block]:
    """Return the blocks that fit into a message, and what counts the others, each kind by itself.

    :param line: renders a block.
    :param size: of a rendered block.
    :param room: the most that all blocks may take.
    """
    fixed = _fixed_blocks(blocks, line, size)
    counted = [at for at, block in enumerate(blocks) if isinstance(block, Change | Omitted)]
    kinds = {block.kind for block in blocks if isinstance(block, Change | Omitted)}
    reserved: list[Block] = [*fixed.values(), *(Omitted(10**6, kind) for kind in kinds)]
    left = room - sum(size(line(block)) for block in reserved)
    found: list[Block] = []
    headings: list[Block] = []
    omitted: Counter[str] = Counter()
    is_full = False
    for at, block in enumerate(blocks):
        match block:
            case Heading() if at not in fixed:
                headings = [block]
            case Change():
                added = [*headings, _shortened(block, line, size)]
                cost = sum(size(line(one)) for one in added)
                is_full = is_full or cost > left
                if is_full:
                    omitted[block.kind] += block.count
                else:
                    found += added
                    left, headings = left - cost, []
            case Omitted(count, kind):
                omitted[kind] += count
            case _ if at in fixed:
                found.append(fixed[at])
        if counted and at == counted[-1]:
            found += [Omitted(count, kind) for kind, count in omitted.items()]
    return found


def _fixed_blocks(
    blocks: Sequence[Block], line: Callable[[Block], str], size: Callable[[str], int]
) -> dict[int, Block]:
    """Return the blocks other than changes and their headings, by position; those that fit.

    Title and links come first, as these lead to what does not fit.
    """
    positions = [
        at
        for at, block in enumerate(blocks)
        if isinstance(block, Title | Fact | Note | Link)
        or (isinstance(block, Heading) and not isinstance((*blocks, None)[at + 1], Change))
    ]
    found: dict[int, Block] = {}
    left = _FIXED
    dropped: list[int] = []
    for at in sorted(positions, key=lambda at: not isinstance(blocks[at], Title | Link)):
        if (cost := size(line(blocks[at]))) > min(left, _SECTION):
            dropped.append(at)
        else:
            left -= cost
            found[at] = blocks[at]
    if dropped:
        is_one = len(dropped) == 1
        found[min(dropped)] = Note(
            f"{len(dropped)} more {'line is' if is_one else 'lines are'} too long to show."
        )
    return found


def _shortened(change: Change, line: Callable[[Block], str], size: Callable[[str], int]) -> Change:
    """Return the line of a model with as many of its parts as fit into a section."""
    shown = change
    for kept in range(len(change.parts) - 1, 0, -1):
        if size(line(shown)) <= _SECTION:
            break
        rest = Part(f"and {len(change.parts) - kept} more")
        shown = replace(change, parts=(*change.parts[:kept], rest))
    return shown


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def _json_size(line: str) -> int:
    return len(json.dumps(line))


def _slack_line(block: Block) -> str:
    match block:
        case Heading(text, detail):
            return f"*{_mrkdwn(text)}*{_mrkdwn(f' ({detail})' if detail else '')}"
        case Change(model, parts, _, end):
            return f"• {_code(model)} {', '.join(map(_slack_part, parts))}{_mrkdwn(end)}"
        case Fact(label, text):
            return f"• *{_mrkdwn(label)}* {_mrkdwn(text)}"
        case Link(url, text):
            return f"<{_entities(url)}|{_entities(text)}>"
        case _:
            return _mrkdwn(block.text)


def _slack_part(part: Part) -> str:
    return f"{_mrkdwn(part.text)} (*{_mrkdwn(part.detail)}*)" if part.detail else _mrkdwn(part.text)


def _section_text(section: str) -> dict[str, Any]:
    # verbatim keeps Slack from turning addresses into links and names into mentions.
    return {"type": "mrkdwn", "text": section, "verbatim": True}


def _entities(text: str) -> str:
    return html.escape(text, quote=False)


def _code(text: str) -> str:
    # No character formats within code, so only the backtick, which ends it, is replaced.
    return f"`{_entities(text.replace('`', chr(0x2CB)))}`"


def _mrkdwn(text: str) -> str:
    # mrkdwn has no escapes; a mark formats only at the edge of a word, which an invisible joiner prevents.
    at_edge = r"((?<![^\W_])[*_~`]|[*_~`](?![^\W_]))"
    return re.sub(at_edge, "\N{WORD JOINER}\\1\N{WORD JOINER}", _entities(text))
