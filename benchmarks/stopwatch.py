"""Stopwatch of a thread, in parts that do not overlap."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """Sum the seconds of named parts; while a part runs inside another, the outer one's time stops.

    Attributes:
        seconds: by part.
        cpu: seconds of this thread's processor time, to which other programs do not add.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self._parts: list[str] = []
        self._since = (0.0, 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the block for a part."""
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
    """Proxy of an object; the time inside its methods counts for a part."""

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
