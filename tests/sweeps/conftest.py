"""Sweeps as their folders are, made without running anything."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.spool import Event, Spool
from tests.execution.fakes import SPACE

Make = Callable[..., Workspace]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "sweeps").mkdir()
    return tmp_path / "sweeps"


@pytest.fixture
def make(out: Path) -> Make:
    def made(name: str, trials: int = 0, finished: bool = False, told: bool = True, **settings: object) -> Workspace:
        workspace = Workspace(out / name)
        workspace.root.mkdir()
        SweepSpec(name=name, **{"trials": 3, **settings}).save(workspace.spec)
        if trials:
            ledger = Ledger(open_journal(workspace.ledger), "search", SPACE)
            for number in range(trials):
                asked = ledger.ask().number
                ledger.report(asked, 1, 0.1 * (number + 1))
                if number < trials - 1 or finished:
                    ledger.finish(asked, Outcome.COMPLETE, final={"best_val_srcc": 0.1 * (number + 1)})
        model = workspace.trials / "confirm-0001" / "model"
        model.mkdir(parents=True)
        (model / "model.json").write_text("{}", encoding="utf-8")
        (model.parent / "predictions.csv").write_text("name,alignment\n", encoding="utf-8")
        (model.parent / "last-3.safetensors").write_bytes(bytes(1000))
        (workspace.root / "tune").mkdir()
        (workspace.root / "tune" / "big.pkl").write_bytes(bytes(1000))
        (workspace.splits).mkdir()
        (workspace.splits / "split_00.json").write_text("{}", encoding="utf-8")
        workspace.space.write_text(yaml.safe_dump(SPACE.model_dump(mode="json")), encoding="utf-8")
        spool = Spool(workspace.spool)
        spool.append(Event("end", "sweep", {"status": "FINISHED"}))
        if told:
            spool.mark_sent(spool.read()[1])
        if finished:
            workspace.report.mkdir()
            (workspace.report / "result.md").write_text(f"# {name}\n", encoding="utf-8")
            best = {"run": "confirm-0001", "test": {"srcc": 0.61234}}
            mlflow = {"tracking_uri": f"sqlite:///{out}/mlflow.db"}
            result = {"best": best, "control": None, "counts": {"complete": trials}, "budget": 3, "mlflow": mlflow}
            workspace.result.write_text(json.dumps(result), encoding="utf-8")
        return workspace

    return made
