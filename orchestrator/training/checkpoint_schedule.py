"""Times at which a training is saved, so that checkpoints take little of its time."""

import time
from collections.abc import Callable


class CheckpointSchedule:
    """Schedule of one training: a checkpoint is due at the end, and once `seconds` of training would be lost.

    A checkpoint of a few megabytes takes 20 to 50 ms, as long as a short epoch. So epochs below a second share one.

    Args:
        seconds: of training after which a checkpoint is due; 0 for one after each epoch.
        clock: returns seconds.

    Example:
        >>> now = [0.0]
        >>> schedule = CheckpointSchedule(1.0, clock=lambda: now[0])
        >>> now[0] = 0.6
        >>> schedule.is_due(finished=False), schedule.is_due(finished=True)
        (False, True)
        >>> now[0] = 1.2
        >>> schedule.is_due(finished=False)
        True
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._seconds = seconds
        self._clock = clock
        self._saved = clock()

    def is_due(self, finished: bool) -> bool:
        """Return whether the training is to be saved after this epoch."""
        return finished or self._clock() - self._saved >= self._seconds

    def saved(self) -> None:
        """Note a checkpoint that is complete now."""
        self._saved = self._clock()
