"""A sweep that a driver on one host leads across the others, watched from outside by its ledger and its files."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml
from optuna.trial import TrialState

from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.search.ledger_trial import LedgerTrial, read_trial
from orchestrator.search.open_storage import find_studies, open_storage
from tests.multihost.host import Host
from tests.multihost.sandbox import REPOSITORY
from tests.multihost.services import Store
from tests.records import Budget

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

BUDGET = Budget(trials=4, epochs=60, confirm=1, splits=1)
NAME = "across"
BUCKET = "sweeps"


class Sweep:
    """The command, from its start to its end.

    Args:
        host: of the driver.
        store: that its trials are kept in.
    """

    def __init__(self, host: Host, store: Store) -> None:
        self.host = host
        self.workspace = Workspace(host.disk / "sweeps" / NAME)
        self.driver: subprocess.Popen[str] | None = None
        self._store = store
        # Small batches, so that an epoch takes long enough to be cut off in its midst.
        space = yaml.safe_load((REPOSITORY / "search_spaces" / "text_hyper.yaml").read_text(encoding="utf-8"))
        space["training"]["batch_size"] = 4
        (host.disk / "space.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")

    def start(self, settings: Sequence[str], environment: Mapping[str, str]) -> None:
        home = self.host.home
        command = [sys.executable, "-m", "orchestrator.sweep", "--name", NAME, "--pruner", "none"]
        command += ["--dataset", f"csv:{home}/data/ratings.csv", "--space", f"{home}/space.yaml"]
        command += ["--trials", str(BUDGET.trials), "--epochs", str(BUDGET.epochs)]
        command += ["--confirm", str(BUDGET.confirm), "--splits", str(BUDGET.splits)]
        self.driver = self.host.start("sweep", [*command, *settings], environment)

    def begun(self) -> bool:
        """Return whether the sweep has a ledger."""
        return (self.workspace.spool / "target.json").is_file()

    @cached_property
    def _ledger(self) -> tuple[BaseStorage, dict[str, str]]:
        spec = load_spec(self.workspace.spec)
        storage = open_storage(spec.ledger, self.workspace.ledger)
        return storage, find_studies(storage, spec)

    def trials(self) -> dict[str, LedgerTrial]:
        """Return the ledger's trials by key."""
        storage, names = self._ledger
        studies = {study: storage.get_study_id_from_name(name) for study, name in names.items()}
        return {
            f"{title}-{trial.number:04d}": read_trial(trial)
            for study, title in KEY_PREFIX.items()
            for trial in storage.get_all_trials(studies[study], deepcopy=False)
            if trial.state is not TrialState.WAITING
        }

    def manifest(self, key: str) -> dict[str, Any] | None:
        """Return the store's manifest of a trial: its writer, and each file with its digest."""
        folder = f"{NAME}-{load_spec(self.workspace.spec).id}"
        content = self._store.read(BUCKET, f"{folder}/{key}/manifest.json")
        return json.loads(content.splitlines()[0]) if content else None

    def where(self, key: str) -> str | None:
        """Return the host that trains a trial, or did last."""
        manifest = self.manifest(key)
        return manifest["writer"]["host"] if manifest else None

    def running_on(self, host: str, least: int = 0) -> list[str]:
        """Return the keys of a host's unfinished trials with at least `least` epochs done and as many to do."""
        most = BUDGET.epochs - least
        open_ones = [key for key, t in self.trials().items() if not t.outcome and least <= len(t.epochs) <= most]
        return [key for key in open_ones if self.where(key) == host]

    def wait_for(self, what: str, ready: Callable[[], Any], seconds: float = 300) -> Any:
        """Wait for a result of `ready` while the driver runs, and return it.

        Raises:
            AssertionError: there is nothing in that time.
        """
        until = time.monotonic() + seconds
        while not (found := ready()):
            assert self.driver is not None and self.driver.poll() is None, f"before {what} the driver ended"
            assert time.monotonic() < until, f"no {what} within {seconds:.0f} s"
            time.sleep(0.2)
        return found

    def end(self, seconds: float = 400) -> None:
        assert self.driver is not None
        code = self.driver.wait(seconds)
        assert code == 0, f"the driver ended with {code}"
