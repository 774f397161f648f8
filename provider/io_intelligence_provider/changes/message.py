"""A digest in every format a channel may want: the object that notifiers find in their context."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from markupsafe import Markup

from io_intelligence_provider.changes.alert import Digest
from io_intelligence_provider.changes.digest import Block, Title, blocks
from io_intelligence_provider.changes.render import to_html, to_markdown, to_slack, to_text

__all__ = ["DigestMessage"]


class DigestMessage:
    """One digest, rendered from one list of blocks when a format is asked for.

    :param digest: what is to be told.
    :param link: http or https URL of a page that shows more.
    """

    def __init__(self, digest: Digest, *, link: str | None = None) -> None:
        self._digest = digest
        self._link = link

    @cached_property
    def _blocks(self) -> list[Block]:
        return blocks(self._digest, link=self._link)

    @property
    def subject(self) -> str:
        """One line of our own words: how many changes, on which day."""
        return next(block.text for block in self._blocks if isinstance(block, Title))

    @property
    def count(self) -> int:
        """Number of changes, those that are left out of a long message included."""
        return self._digest.count

    @property
    def text(self) -> str:
        """Plain text."""
        return to_text(self._blocks)

    @property
    def markdown(self) -> str:
        """Markdown (CommonMark and GitHub's)."""
        return to_markdown(self._blocks)

    @property
    def html(self) -> Markup:
        """A fragment of HTML, escaped already: a template that escapes leaves it alone."""
        return Markup(to_html(self._blocks))  # noqa: S704 - every foreign text in it is escaped

    @property
    def slack_blocks(self) -> list[dict[str, Any]]:
        """Slack's Block Kit blocks."""
        return to_slack(self._blocks)

    def to_dict(self) -> dict[str, Any]:
        """Return every change as plain JSON values, none left out."""
        return {"subject": self.subject, "count": self.count} | self._digest.to_dict()
