"""What the history checks compare of a column: a few numbers, small enough to keep for every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["ColumnProfile"]


@dataclass(frozen=True)
class ColumnProfile:
    """One column over one run.

    Unknown is ``None``, never 0: the median of a text, the greatest value of a column without values.

    :param rows: rows that the column was seen in.
    :param nulls: rows without a value; a NaN is none.
    :param distinct: different values, nulls left out; ``None`` for types that cannot be told apart.
    :param distinct_exact: whether ``distinct`` was counted; else it is an estimate, see
        :class:`~io_intelligence_provider.quality.profiler.Profiler`.
    :param min: the smallest finite number, or the earliest date or moment in ISO form.
    :param max: the greatest one. Texts have neither: a report is no place for what may be personal data.
    :param median: of the finite numbers.
    :param mad: the median of their absolute deviations from the median.
    """

    column: str
    rows: int
    nulls: int
    distinct: int | None = None
    distinct_exact: bool = True
    min: float | str | None = None
    max: float | str | None = None
    median: float | None = None
    mad: float | None = None

    @property
    def null_share(self) -> float | None:
        """Rows without a value / rows; ``None`` where there are no rows."""
        return self.nulls / self.rows if self.rows else None

    @property
    def distinct_share(self) -> float | None:
        """Different values / values; ``None`` where there are no values or they cannot be told apart."""
        values = self.rows - self.nulls
        return self.distinct / values if values and self.distinct is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ColumnProfile:
        """Read the plain form back.

        :raises TypeError: when it is not that form.
        """
        return cls(**data)
