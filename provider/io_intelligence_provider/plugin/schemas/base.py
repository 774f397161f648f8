"""What the answers are made of. Prices are decimal text; ``None`` is not published, never zero."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - fields are called `date`
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer

from io_intelligence_provider.plugin.views.text import json_integer

__all__ = ["Answer", "Integer", "Moment", "Spark", "Step", "Texts", "WarnedAnswer"]

Moment: TypeAlias = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat())]

Integer: TypeAlias = Annotated[int, PlainSerializer(json_integer, return_type=int | str)]
"""A stored integer: text where a number of JavaScript, which is a float, would round it."""

Step: TypeAlias = tuple[Date, str | None, bool]
"""Day, value, on file: from that day on, until the next step."""

Spark: TypeAlias = list[tuple[int, str | None]]
"""Days since the first of thirty, and the value from then on; ``None`` is a gap."""

Texts: TypeAlias = dict[str, str | None]


class Answer(BaseModel):
    """Any of them. ``warnings``: what is missing in it and why, in words."""

    model_config = ConfigDict(protected_namespaces=(), extra="forbid")


class WarnedAnswer(Answer):
    """One that may have holes."""

    warnings: list[str] = []
