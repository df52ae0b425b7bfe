"""A worker that takes its time until it is told to hurry, so that hosts can join meanwhile."""

import time

from orchestrator.execution.trainable import JobTrainable


class Slow(JobTrainable):
    """Waits a little before every step, until there is a file `hurry` beside the trials."""

    def step(self):
        if not (self._task.trials.parent / "hurry").exists():
            time.sleep(0.3)
        return super().step()
