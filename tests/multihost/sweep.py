"""A sweep that a driver on one host leads across the others, watched from outside by its ledger and its files."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from orchestrator.execution.job import TITLES
from orchestrator.search.ledger import LedgerTrial
from orchestrator.search.reading import read_studies
from orchestrator.workspace import Workspace
from tests.multihost.host import Host
from tests.multihost.sandbox import REPOSITORY
from tests.records import Budget

BUDGET = Budget(trials=3, epochs=20, confirm=1, splits=1)
NAME = "across"


class Sweep:
    """The command, from its start to its end.

    Args:
        host: of the driver.
        workspace: the sweep's folder, as seen from outside.
        read: a file below the folder of all trials, by its path; raises where it is not there.
    """

    def __init__(self, host: Host, workspace: Workspace, read: Callable[[str], bytes]) -> None:
        self.host = host
        self.workspace = workspace
        self.read = read
        self.driver: subprocess.Popen[str] | None = None
        # Small batches, so that an epoch takes long enough to be cut off in its midst.
        space = yaml.safe_load((REPOSITORY / "search_spaces" / "text_hyper.yaml").read_text())
        space["training"]["batch_size"] = 4
        (host.disk / "space.yaml").write_text(yaml.safe_dump(space))

    def start(self, settings: Sequence[str], environment: Mapping[str, str]) -> None:
        home = self.host.home
        command = [sys.executable, "-m", "orchestrator.sweep", "--name", NAME, "--pruner", "none"]
        command += ["--dataset", f"csv:{home}/data/ratings.csv", "--space", f"{home}/space.yaml"]
        command += ["--trials", str(BUDGET.trials), "--epochs", str(BUDGET.epochs)]
        command += ["--confirm", str(BUDGET.confirm), "--splits", str(BUDGET.splits)]
        self.driver = self.host.start("sweep", [*command, *settings], environment)

    def trials(self) -> dict[str, LedgerTrial]:
        """Key → trial, as the ledger has them now."""
        try:
            studies = read_studies(self.workspace)
        except KeyError:  # the tables are being made
            return {}
        return {f"{TITLES[study]}-{trial.number:04d}": trial for study, own in studies.items() for trial in own}  # type: ignore[index]

    def where(self, key: str) -> str | None:
        """The host that trains a trial, or did last."""
        try:
            return str(json.loads(self.read(f"{key}/worker.json"))["host"])
        except (OSError, ValueError, KeyError):
            return None

    def running_on(self, host: str, least: int = 0) -> list[str]:
        """Keys of the unfinished trials there that have so many epochs behind them, and as many before them."""
        most = BUDGET.epochs - least
        open_ones = [key for key, t in self.trials().items() if not t.outcome and least <= len(t.epochs) <= most]
        return [key for key in open_ones if self.where(key) == host]

    def wait_for(self, what: str, ready: Callable[[], Any], seconds: float = 120) -> Any:
        """Asks until there is something; the driver must still run.

        Raises:
            AssertionError: there is nothing in that time.
        """
        until = time.monotonic() + seconds
        while not (found := ready()):
            assert self.driver is not None and self.driver.poll() is None, f"before {what} the driver ended"
            assert time.monotonic() < until, f"no {what} within {seconds:.0f} s"
            time.sleep(0.1)
        return found

    def end(self, seconds: float = 200) -> None:
        assert self.driver is not None
        code = self.driver.wait(seconds)
        assert code == 0, f"the driver ended with {code}"

    @property
    def said(self) -> Path:
        return self.host.logs / "sweep.txt"
