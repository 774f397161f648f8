"""One send through one notifier, which is left as it was."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from io_intelligence_provider.changes.message import DigestMessage

__all__ = ["CONTEXT_NAME", "notify"]

CONTEXT_NAME: Final = "io_intelligence"

_OBJECTS: Final = {
    "slack_blocks": lambda message: message.slack_blocks,
    "to_dict()": lambda message: message.to_dict(),
}
"""What a template can ask for that is no text."""

_WHOLE: Final = re.compile(rf"\s*{{{{-?\s*{CONTEXT_NAME}\.({'|'.join(map(re.escape, _OBJECTS))})\s*-?}}}}\s*")


def notify(notifier: BaseNotifier, context: Context, message: DigestMessage) -> None:
    """Render a copy of a notifier with the message in its context, and send it.

    Rendering writes over a notifier's own fields, and would send the next run this run's message.
    """
    fresh = copy.copy(notifier)
    for field in getattr(fresh, "template_fields", ()):
        setattr(fresh, field, _with_objects(getattr(fresh, field), message))
    # A copy of the context, too: notifiers add their fields to it.
    fresh({**context, CONTEXT_NAME: message})


@dataclass(frozen=True)
class _AsItIs:
    """A value that Airflow's templating asks for with ``resolve`` and does not render: names are foreign."""

    value: Any

    def resolve(self, context: Context) -> Any:  # noqa: ARG002 - Airflow gives it
        return self.value


def _with_objects(value: Any, message: DigestMessage) -> Any:
    """Put objects in the place of templates that are nothing but one of them: a template makes text."""
    if isinstance(value, str):
        found = _WHOLE.fullmatch(value)
        return _AsItIs(_OBJECTS[found.group(1)](message)) if found else value
    if type(value) in (list, tuple):
        return type(value)(_with_objects(item, message) for item in value)
    if type(value) is dict:
        return {key: _with_objects(item, message) for key, item in value.items()}
    return value
