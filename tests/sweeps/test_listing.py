"""Output of `sweeps show`."""

import json
from io import StringIO

from rich.console import Console

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.sweeps.listing import print_sweep


def test_show_prints_the_claims_of_a_finished_sweep(tmp_path):
    workspace = Workspace(tmp_path / "made")
    workspace.report.mkdir(parents=True)
    SweepSpec(name="made").save(workspace.spec)
    comparison = {"against": "control", "target": "alignment", "srcc_difference": 0.01, "interval": [-0.01, 0.03]}
    best = {"trial": 2, "source": "trial-0002", "params": {"lr": 0.01}, "val": {"srcc": 0.5}, "test": None}
    result = {"targets": ["alignment"], "best": best, "confirmed": [best], "comparisons": [comparison]}
    workspace.result.write_text(json.dumps(result), encoding="utf-8")
    output = StringIO()
    print_sweep(workspace, "again", Console(file=output, width=120))
    lines = [" ".join(line.split()) for line in output.getvalue().splitlines()]
    assert lines[1] == "text_hyper on shapes: alignment (protocol disjoint, medians over 5 splits)"
    assert "text_hyper, trial 2 0.5000 –" in lines
    assert any(line.startswith("Trial 2 cannot be distinguished from the control (plain_head)") for line in lines)
    assert "better than plain_head not shown SRCC +0.0100, 95 % interval [-0.0100, +0.0300]" in lines
    assert "not inferior to plain_head by 0.02 shown SRCC +0.0100, 95 % interval [-0.0100, +0.0300]" in lines
