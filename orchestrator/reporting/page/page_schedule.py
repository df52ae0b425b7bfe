"""Times at which the page of a running sweep is written, so that it costs the sweep little processor time."""

from __future__ import annotations

SHARE = 0.02
"""Largest share of the sweep's processor time that its page takes while it runs."""

MIN_SECONDS = 10.0
"""Seconds between two pages at least."""

FIRST_COST = 4.0
"""Processor seconds of a first page, with the loading of libraries, before it was measured."""


class PageSchedule:
    """Delay before the next page, from the processor time of the pages before.

    Args:
        cores: processors that the sweep uses.

    Example:
        >>> schedule = PageSchedule(cores=4)
        >>> schedule.delay(elapsed=0, used=0.1)  # 4.1 s are 2 % of what 4 cores do in 51.25 s
        51.25
        >>> schedule.delay(elapsed=60, used=4.5)  # the first page took 4.4 s; the next one may cost as much
        51.25
    """

    def __init__(self, cores: float) -> None:
        self._budget = SHARE * max(cores, 0.01)
        self._before: float | None = None

    def delay(self, elapsed: float, used: float) -> float:
        """Return the seconds to wait for the next page; to be called before each page.

        Args:
            elapsed: seconds since the start of the sweep's trials.
            used: processor seconds that this process has used.
        """
        cost = FIRST_COST if self._before is None else used - self._before
        self._before = used
        return max(MIN_SECONDS, (used + cost) / self._budget - elapsed)
