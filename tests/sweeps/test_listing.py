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
    (workspace.report / "result.md").write_text("# made\n", encoding="utf-8")
    comparison = {"against": "control", "target": "alignment", "srcc_difference": 0.01, "interval": [-0.01, 0.03]}
    workspace.result.write_text(json.dumps({"comparisons": [comparison]}), encoding="utf-8")
    output = StringIO()
    print_sweep(workspace, "again", Console(file=output, width=120))
    lines = [" ".join(line.split()) for line in output.getvalue().splitlines()]
    assert lines[0] == "# made"
    assert "better than plain_head not shown SRCC +0.0100, 95 % interval [-0.0100, +0.0300]" in lines
    assert "not inferior to plain_head by 0.02 shown SRCC +0.0100, 95 % interval [-0.0100, +0.0300]" in lines
