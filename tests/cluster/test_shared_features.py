"""Two sweeps on one real cluster of four CPUs, the second with three times the priority of the first."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.execution.nodes import Nodes

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cluster(tmp_path_factory):
    nodes = Nodes(tmp_path_factory.mktemp("cluster") / "ray")
    nodes.head(cpus=4)
    yield nodes
    nodes.close()


class Sweep:
    """A sweep in a process of its own, whose trials run until they are stopped."""

    def __init__(self, folder: Path, address: str, *, priority: float, trials: int) -> None:
        folder.mkdir()
        self.folder, self.diary, self.log = folder, folder / "diary", folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.execution.sharing", address, str(folder)),
                    *(str(priority), str(trials)),
                ],
                cwd=ROOT,
                env={**os.environ, "RAY_AUTH_MODE": "disabled"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def words(self) -> list[list[str]]:
        lines = self.diary.read_text(encoding="utf-8").splitlines() if self.diary.exists() else []
        return [line.split() for line in lines]

    def wait(self, until, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text(encoding="utf-8")[-3000:]
            time.sleep(0.2)

    def working(self) -> set[str]:
        """Return the jobs that had an epoch in the last second."""
        before = len(self.words())
        time.sleep(1.0)
        return {word[1] for word in self.words()[before:] if word[0] == "epoch"}

    def process_of(self, job: str) -> set[str]:
        return {word[3] for word in self.words() if word[:3] == ["noted", job, "process"]}

    def end(self, below: int = 1000) -> None:
        """End the trials of smaller numbers and, if those are all, the sweep."""
        (self.folder / "trials" / "below.draft").write_text(str(below), encoding="utf-8")
        os.replace(self.folder / "trials" / "below.draft", self.folder / "trials" / "below")
        if below < 1000:
            return
        assert self.process.wait(60) == 0, self.log.read_text(encoding="utf-8")[-3000:]


def test_second_sweep_gets_its_share_while_trials_of_the_first_run(cluster, tmp_path):
    first = Sweep(tmp_path / "first", cluster.address, priority=1, trials=4)
    first.wait(lambda: len(first.working()) == 4, 90)
    second = Sweep(tmp_path / "second", cluster.address, priority=3, trials=4)
    # No trial of the first has to end for it: not even a process that Tune keeps for its next trial holds a slot.
    second.wait(lambda: len(second.working()) == 3, 90)
    assert len(first.working()) == 1
    # The next one takes over the process of one that ends, though its sweep has all that it may have.
    second.end(below=1)
    second.wait(lambda: "trial-0003" in second.working(), 30)
    assert second.process_of("trial-0003") == second.process_of("trial-0000") != set()
    second.end()
    first.wait(lambda: len(first.working()) == 4, 60)
    first.end()
    for sweep, trials in ((first, 4), (second, 4)):
        assert sum(word[0] == "ended" for word in sweep.words()) == trials
        epochs = [(word[1], word[2]) for word in sweep.words() if word[0] == "epoch"]
        assert len(epochs) == len(set(epochs))  # nothing was trained twice
    assert sum(word[0] == "interrupted" for word in first.words()) >= 3
    assert not any(word[0] == "interrupted" for word in second.words())
