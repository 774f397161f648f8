"""The blocks of a digest as plain text, Markdown, HTML and Slack blocks.

Names and values come from outside. The blocks hold them as one short line (:func:`~.words.clean`); here
each format escapes them in its own way, so that no name can add a line, a link, a mention or a script.
"""

from __future__ import annotations

import html
import re
from typing import Any, Final

from io_intelligence_provider.changes.digest import Block, Change, Link, Note, Rule, Title

__all__ = ["to_html", "to_markdown", "to_slack", "to_text"]


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
    # All that means something within a line. Of the dots only those that make a bare address a link.
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|<>~&:@=\"'$^])", r"\\\1", text)
    return re.sub(r"(?i)(www)\.", r"\1\\.", escaped)


def to_html(found: list[Block]) -> str:
    """Return a fragment of HTML for a mail: no styles, no scripts."""
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
_BLOCKS: Final = 50  # and as many blocks a message


def to_slack(found: list[Block]) -> list[dict[str, Any]]:
    """Return Block Kit blocks for a webhook or ``chat.postMessage``, within Slack's bounds."""
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
    # verbatim: Slack makes no links of what looks like an address, and no mentions of names.
    return {"type": "mrkdwn", "text": section, "verbatim": True}


def _entities(text: str) -> str:
    return html.escape(text, quote=False)


def _code(text: str) -> str:
    # Within code no character formats; only the one that ends it has to go.
    return f"`{_entities(text.replace('`', chr(0x2CB)))}`"


def _mrkdwn(text: str) -> str:
    # mrkdwn cannot escape its own marks: an invisible joiner keeps them from standing at a word's edge.
    return re.sub(r"([*_~`])", "\N{WORD JOINER}\\1\N{WORD JOINER}", _entities(text))
