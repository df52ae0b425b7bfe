"""A sweep of `criteria_hyper`, whose search `--max-hours` ends before a trial, resumed to a model that scores."""

import json

import pytest

from orchestrator.scoring import load_scorer
from tests.commands import invoke, run
from tests.mlflow_database import copy_database
from tests.ratings import make_ratings

pytestmark = pytest.mark.long

SMALL = ["--trials", 1, "--epochs", 2, "--confirm", 1, "--splits", 1, "--pruner", "none", "--concurrency", 1]


def test_sweep_with_criteria_ends_by_time_and_resumes_to_a_model(module_folder, mlflow_database):
    make_ratings(module_folder)
    copy_database(mlflow_database, module_folder)
    lines = [json.dumps({"prompt": f"a scene {n}", "criteria": f"bright, of kind {n % 5}"}) for n in range(24)]
    (module_folder / "criteria.jsonl").write_text("\n".join(lines))
    sweep = ["--dataset", f"csv:{module_folder}/ratings.csv", "--name", "criteria", *SMALL]
    sweep += ["--variant", "criteria_hyper", "--criteria", "criteria.jsonl"]
    out = run(module_folder, "sweep", *sweep, "--max-hours", "1e-9").out
    assert "ended the search after 0 of 1 trials" in out and "python -m orchestrator.resume criteria" in out
    (line,) = json.loads(invoke(module_folder, "sweeps", "list", "--json").out)
    assert (line["state"], line["trials"], line["budget"]) == ("finished", 0, 1)

    result = json.loads(run(module_folder, "resume", "criteria", "--json").out)
    assert result["counts"]["complete"] == result["control_counts"]["complete"] == 1
    assert result["best"]["test"]["srcc"] is not None
    scorer = load_scorer(module_folder / "sweeps" / "criteria" / "trials" / result["best"]["run"] / "model")
    image = module_folder / "00_0.png"
    bright, dark = (scorer([image], ["a scene 0"], [text])["alignment"][0] for text in ("bright", "a dark night"))
    assert bright != dark
    with pytest.raises(ValueError, match="criteria for each image"):
        scorer([image], ["a scene 0"])
