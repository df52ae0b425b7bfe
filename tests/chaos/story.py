"""Run of a sweep under a random schedule of faults, from its first start to records that agree."""

import random
import time
from dataclasses import dataclass, field

from orchestrator.search.outcome import Outcome
from tests.chaos.faults import ENDS_THE_DRIVER, ON_DISK, WHILE_IT_RUNS, Fault, freeze_worker
from tests.chaos.world import CONFIRM, EPOCHS, SPLITS, TRIALS, World
from tests.records import Budget, Records

_ALL_EPOCHS = 2 * (TRIALS - 1) * EPOCHS + 2 * CONFIRM * SPLITS * EPOCHS
_TIMEOUT = 420.0


@dataclass
class Story:
    """Record of a run under faults.

    Attributes:
        faults: descriptions, in order.
        drivers: how many processes the sweep took.
        lost: the most epochs that a trial lost at once.
        compared: figures that were compared at the end.
        seconds: from the first start to the end.
    """

    seed: int
    faults: list[str] = field(default_factory=list)
    drivers: int = 0
    lost: int = 0
    compared: int = 0
    seconds: float = 0.0


def run_story(world: World, seed: int, rounds: int = 2) -> Story:
    """Run the sweep through `rounds` disturbed drivers and then to its end, and compare its records.

    Raises:
        AssertionError: something was lost or doubled, with what and after which faults.
    """
    chance, story, began = random.Random(seed), Story(seed), time.monotonic()
    try:
        for _ in range(rounds):
            _disturb(world, chance, story)
            if world.workspace.result.is_file():
                break
        _finish(world, story)
        records = Records(world.workspace, world.server.uri, Budget(TRIALS, EPOCHS, CONFIRM, SPLITS))
        story.compared = records.check()
        diverged = any(trial.outcome is Outcome.DIVERGED for trial in records.trials.values())
        assert diverged, "the first trial must diverge"
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, after {'; '.join(story.faults)}:\n{error}\n{world.tail()}") from error
    finally:
        if world.driver is not None:
            world.kill_all()
    story.seconds = time.monotonic() - began
    return story


def _disturb(world: World, chance: random.Random, story: Story) -> None:
    """Run a driver until a fault ends it or it is done; then perhaps damage its files."""
    before = _Before(world)
    world.start()
    story.drivers += 1
    for _ in range(3):
        (fault,) = chance.choices(list(WHILE_IT_RUNS), list(WHILE_IT_RUNS.values()))
        if not _wait_for(world, chance, before):
            break
        if done := fault(world, chance):
            story.faults.append(done)
            if fault is freeze_worker:
                time.sleep(1)
        if done and fault in ENDS_THE_DRIVER:
            break
    world.wait(_TIMEOUT)
    before.compare(story, spoilt=any("checkpoint" in fault for fault in story.faults))
    if not world.workspace.result.is_file() and chance.random() < 0.6:
        damage: Fault = chance.choice(ON_DISK)
        if done := damage(world, chance):
            story.faults.append(done)


_SECONDS = 2.5
"""Seconds of training that a trial may lose: a second and the checkpoint's own time on a busy machine."""


class _Before:
    """Epochs of each trial before a driver, to count those that it trains again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._times = world.epoch_times()
        self._least: dict[str, int] = {}

    def watch(self) -> None:
        """Note the least epochs of each trial: a starting worker cuts a history back to its checkpoint."""
        for key, count in self._world.epochs().items():
            self._least[key] = min(self._least.get(key, count), count)

    def compare(self, story: Story, spoilt: bool) -> None:
        """Assert that no trial lost more than an epoch or a second, or twice that if a checkpoint was spoilt."""
        for key, least in self._least.items():
            times = self._times.get(key, [])
            if (lost := len(times) - least) <= 0:
                continue
            seconds = times[-1] - times[max(0, least - 1)]  # from the end of the last epoch that is kept
            few = lost <= 1 + spoilt
            assert few or seconds <= _SECONDS * (1 + spoilt), f"{key} lost {lost} epochs of {seconds:.1f} s"
            story.lost = max(story.lost, lost)


def _wait_for(world: World, chance: random.Random, before: _Before) -> bool:
    """Wait for a random moment of the remaining sweep; return False if the driver ended first."""
    at = world.progress() + chance.randint(0, max(1, _ALL_EPOCHS - world.progress()) // 2)
    until = time.monotonic() + _TIMEOUT
    while world.running() and time.monotonic() < until:
        before.watch()
        if world.progress() >= at and (at or chance.random() < 0.02):
            return True
        time.sleep(0.05)
    return False


def _finish(world: World, story: Story) -> None:
    world.server.start()
    code = None
    for _ in range(3):
        world.start()
        story.drivers += 1
        code = world.wait(_TIMEOUT)
        if code == 0 and world.workspace.result.is_file():
            break
    assert code == 0, f"the last driver ended with {code}"
