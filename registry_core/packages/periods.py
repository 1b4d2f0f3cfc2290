"""How far back one looks at what is used."""

from __future__ import annotations

from enum import StrEnum


class Period(StrEnum):
    """A day, a week, a month."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def hours(self) -> int:
        """How long it is."""
        return {Period.DAY: 24, Period.WEEK: 7 * 24, Period.MONTH: 30 * 24}[self]
