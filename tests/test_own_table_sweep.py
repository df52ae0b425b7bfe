"""Sweeps under a simulated Tune on a table as Excel exports it: no prompts, decimal commas, generators called NA."""

import json

import pandas as pd

from orchestrator.core.training_files import PREDICTIONS
from orchestrator.data.read_predictions import read_predictions
from tests.commands import invoke
from tests.ratings import make_ratings

SMALL = ["--variant", "image_hyper", "--trials", 1, "--epochs", 2, "--confirm", 1, "--splits", 1, "--pruner", "none"]


def test_quality_is_learned_without_prompts_and_figures_do_not_depend_on_a_generators_name(simulated_tune, elsewhere):
    table = pd.read_csv(make_ratings(elsewhere))
    results = {}
    for name, generators in {"na": ("NA", "None"), "renamed": ("NA_", "None_")}.items():
        mine = pd.DataFrame({"File": table["image"], "Mean Score": table["alignment"], "Generator": table["generator"]})
        mine["Generator"] = mine["Generator"].map(dict(zip(("g0", "g1"), generators, strict=True)))
        mine.to_csv(elsewhere / f"{name}.csv", index=False, sep=";", decimal=",", encoding="utf-16")
        given = ["--dataset", f"csv:{name}.csv", "--columns", "image=File,quality=mean score", "--name", name]
        found = invoke(elsewhere, "sweep", *given, *SMALL, "--json")
        assert 'Read as: separator ";", UTF-16, decimal comma.' in found.err
        results[name] = json.loads(found.out)
    na, renamed = results["na"], results["renamed"]
    assert na["counts"]["complete"] == na["control_counts"]["complete"] == 1
    assert na["best"]["test"]["srcc_within_generator"] is not None
    assert na["best"]["test"] == renamed["best"]["test"] and na["baselines"] == renamed["baselines"]
    run = elsewhere / "sweeps" / "na" / "trials" / na["best"]["run"]
    assert set(read_predictions(run / PREDICTIONS)["generator"]) == {"NA", "None"}

    identity = json.loads((elsewhere / "sweeps" / "na" / "identity.json").read_text(encoding="utf-8"))
    assert identity["data_notes"] == ['Read as: separator ";", UTF-16, decimal comma.']
    scored = json.loads(invoke(elsewhere, "score", "--model", "na", elsewhere / "00_0.png", "--json").out)
    assert scored["scores"][0]["quality"] is not None
    assert json.loads(invoke(elsewhere, "score", "--model", "na", "--check", "--json").out)["passed"]
