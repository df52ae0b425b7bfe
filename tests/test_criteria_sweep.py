"""A sweep of `criteria_hyper` under a simulated Tune, ended by `--max-hours`, resumed to a model that scores."""

import json

import pytest

from orchestrator.scoring import load_scorer
from tests.commands import invoke
from tests.ratings import make_ratings

SMALL = ["--trials", 1, "--epochs", 2, "--confirm", 1, "--splits", 1, "--pruner", "none"]


def test_sweep_with_criteria_ends_by_time_and_resumes_to_a_model(simulated_tune, elsewhere):
    make_ratings(elsewhere)
    lines = [json.dumps({"prompt": f"a scene {n}", "criteria": f"bright, of kind {n % 5}"}) for n in range(24)]
    (elsewhere / "criteria.jsonl").write_text("\n".join(lines), encoding="utf-8")
    sweep = ["--dataset", f"csv:{elsewhere}/ratings.csv", "--name", "criteria", *SMALL]
    sweep += ["--variant", "criteria_hyper", "--criteria", "criteria.jsonl"]
    out = invoke(elsewhere, "sweep", *sweep, "--max-hours", "1e-9").out
    assert "ended the search after 0 of 1 trials" in out and "criteria" in out.splitlines()[-1]
    (line,) = json.loads(invoke(elsewhere, "sweeps", "list", "--json").out)
    assert (line["state"], line["trials"], line["budget"]) == ("finished", 0, 1)

    result = json.loads(invoke(elsewhere, "resume", "criteria", "--json").out)
    assert result["counts"]["complete"] == result["control_counts"]["complete"] == 1
    assert result["best"]["test"]["srcc"] is not None
    scorer = load_scorer(elsewhere / "sweeps" / "criteria" / "trials" / result["best"]["run"] / "model")
    image = elsewhere / "00_0.png"
    bright, dark = (scorer([image], ["a scene 0"], [text])["alignment"][0] for text in ("bright", "a dark night"))
    assert bright != dark
    with pytest.raises(ValueError, match="criteria for each image"):
        scorer([image], ["a scene 0"])
