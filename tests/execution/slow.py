"""Worker that is slow until a file exists, so that nodes can join a running sweep."""

import time

from orchestrator.execution.trainable import JobTrainable


class Slow(JobTrainable):
    """Trainable that waits before every step until the file `hurry` exists next to the trials."""

    def step(self):
        if not (self._context.trials.parent / "hurry").exists():
            time.sleep(0.3)
        return super().step()
