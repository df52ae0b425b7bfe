"""Where a thread's time goes, in parts that do not overlap."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """Sums the seconds of named parts; while a part runs inside another, the outer one's time stands still.

    Attributes:
        seconds: by part.
        cpu: the same in seconds of this thread's processor time, which other programs do not add to.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self._parts: list[str] = []
        self._since = (0.0, 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The time inside is the part's."""
        self._settle()
        self._parts.append(name)
        try:
            yield
        finally:
            self._settle()
            self._parts.pop()

    def _settle(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        if self._parts:
            self.seconds[self._parts[-1]] += now[0] - self._since[0]
            self.cpu[self._parts[-1]] += now[1] - self._since[1]
        self._since = now


class Timed:
    """Anything, with the time inside its methods counted for a part."""

    def __init__(self, inner: Any, stopwatch: Stopwatch, part: str) -> None:
        self._inner, self._stopwatch, self._part = inner, stopwatch, part

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        method: Callable[..., Any] = found

        def timed(*args: Any, **named: Any) -> Any:
            with self._stopwatch.part(self._part):
                return method(*args, **named)

        self.__dict__[name] = timed
        return timed

    def __len__(self) -> int:
        return len(self._inner)
