"""Decides which failures to retry, on Airflow 3.3; on 3.2 the task's own ``retries`` decide.

``default_args={**retry_arguments(), "retries": 4}`` works on both.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowNotFoundException

from io_intelligence_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    QualityError,
    QuotaError,
    RateLimitError,
)

try:
    from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
except ImportError:  # Airflow 3.2
    SUPPORTED = False
else:
    SUPPORTED = True

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["SUPPORTED", "retry_arguments"]

_HOPELESS: Final = (
    AirflowNotFoundException,  # a missing connection or variable, such as that of a store
    AuthenticationError,
    ConfigurationError,
    QualityError,
    QuotaError,
)
_LONGEST_WAIT: Final = 86_400.0  # seconds; after a day the run is skipped anyway


def retry_arguments(
    first: timedelta = timedelta(minutes=5), longest: timedelta = timedelta(hours=1)
) -> dict[str, Any]:
    """Return the operator argument ``retry_policy``; an empty dict on an Airflow without it.

    :param first: wait before the second try; it doubles with each further one.
    :param longest: the longest wait.
    """
    return {"retry_policy": IOIntelligenceRetryPolicy(first, longest)} if SUPPORTED else {}


if SUPPORTED:
    __all__ += ["IOIntelligenceRetryPolicy"]

    class IOIntelligenceRetryPolicy(RetryPolicy):
        """Fail at once where waiting cannot help, wait as long as a rate limit demands, else back off.

        A refused credential, a spent quota, an invalid setting, a missing connection, and a catalogue that
        the checks stopped fail at once: another try would write another report of the same. ``retries`` of
        the task remains the limit.

        :param first: wait before the second try; it doubles with each further one.
        :param longest: the longest wait, except for a rate limit.
        """

        def __init__(
            self, first: timedelta = timedelta(minutes=5), longest: timedelta = timedelta(hours=1)
        ) -> None:
            self.first = first
            self.longest = longest

        def evaluate(
            self,
            exception: BaseException,
            try_number: int,
            max_tries: int,  # noqa: ARG002 - Airflow's own bound
            context: Context | None = None,  # noqa: ARG002
        ) -> RetryDecision:
            """Decide about one failure; ``try_number`` is 1 after the first try."""
            kind = type(exception).__name__  # Airflow stores the reason: it must not hold the message
            if isinstance(exception, _HOPELESS):
                return RetryDecision.fail(f"{kind}: another try cannot help")
            if isinstance(exception, RateLimitError) and exception.retry_after is not None:
                wait = min(max(exception.retry_after, 0.0), _LONGEST_WAIT)
                return RetryDecision.retry(
                    timedelta(seconds=wait),
                    f"{kind} in try {try_number}: waiting {wait:g} s, as long as the server asks",
                )
            first, longest = self.first.total_seconds(), self.longest.total_seconds()
            wait = min(first * 2.0 ** min(try_number - 1, 30), longest)
            return RetryDecision.retry(
                timedelta(seconds=wait), f"{kind} in try {try_number}: waiting {wait:g} s"
            )

        def serialize(self) -> dict[str, Any]:
            """Return the arguments of the policy as plain JSON values."""
            return {
                "__type": f"{type(self).__module__}.{type(self).__qualname__}",
                "first": self.first.total_seconds(),
                "longest": self.longest.total_seconds(),
            }

        @classmethod
        def deserialize(cls, data: dict[str, Any]) -> IOIntelligenceRetryPolicy:
            """Return the policy from the output of :meth:`serialize`."""
            return cls(timedelta(seconds=data["first"]), timedelta(seconds=data["longest"]))
