"""Commands from a real sweep to a champion and back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

from orchestrator.registry.download import fetch_version
from orchestrator.tracking.model_digest import folder_digest
from tests.commands import invoke, run
from tests.mlflow_database import copy_database

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

SMALL = ["--trials", "2", "--epochs", "2", "--confirm", "2", "--splits", "1", "--pruner", "none", "--concurrency", "1"]


def output(folder: Path, command: str, *arguments: str, code: int = 0) -> str:
    """Run a command in this process and return what it wrote to both outputs."""
    done = invoke(folder, command, *arguments, code=code, width=80)
    return done.out + done.err


@pytest.fixture(scope="module")
def folder(module_folder, mlflow_database):
    """A working folder with a finished sweep `made` of two confirmed configurations on small images."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(96):
        level = random.uniform(0, 1)
        pixels = random.normal(40 + 170 * level, 20, (40, 40, 3)).clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(module_folder / f"{number:02d}.png")
        row = {"image": f"{number:02d}.png", "prompt": f"a scene {number // 4}", "alignment": 1 + 4 * level}
        rows.append({**row, "generator": "ab"[number % 2]})
    pd.DataFrame(rows).to_csv(module_folder / "ratings.csv", index=False)
    copy_database(mlflow_database, module_folder)
    run(module_folder, "sweep", "--dataset", "csv:ratings.csv", "--name", "made", *SMALL)
    return module_folder


def client(folder):
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


FORCE = ("--force", "--reason", "to try it | *here*", "--yes")


def test_commands_promote_compare_and_roll_back(folder):
    before = output(folder, "promote", "--variant", "text_hyper", "--dry-run", *FORCE[:3])
    assert "bit for bit from the stored features" in before and client(folder).search_registered_models() == []
    assert "give --yes" in output(folder, "promote", "--variant", "text_hyper", code=2)

    output(folder, "promote", "--variant", "text_hyper", *FORCE)
    first = client(folder).get_model_version_by_alias("text_hyper", "champion")
    result = json.loads((folder / "sweeps/made/result.json").read_text(encoding="utf-8"))
    assert first.tags["run_key"] == result["best"]["run"] and first.run_id == result["best"]["mlflow_run_id"]
    model = fetch_version(client(folder), "text_hyper", "1", folder / "fetched")
    assert first.tags["sha256"] == folder_digest(model)
    quantiles = json.loads(first.tags["mos_quantiles"])["alignment"]
    assert len(quantiles) == 101 and quantiles == sorted(quantiles) and 1 <= quantiles[0] < quantiles[-1] <= 5
    assert {"dataset", "data_hash", "test_hash", "variant"} <= first.tags.keys()
    for part in ("bit for bit", "csv:ratings.csv", "SRCC", "Apache-2.0", "MIT", "### Limits", "torch"):
        assert part in first.description

    other = next(line["source"] for line in result["confirmed"] if line["source"] not in {result["best"]["source"]})
    runs = client(folder).search_runs(["1"], f"tags.source = '{other}' and tags.study = 'confirm'")
    key = f"made/{runs[0].data.tags['run_key']}"
    refused = output(folder, "promote", "--variant", "text_hyper", "--run", key, "--min-gain", "1.5", "--yes", code=1)
    assert "Refused by “better than the champion”" in refused and "short of +1.5" in refused
    second = client(folder).get_model_version("text_hyper", "2")
    assert second.tags["verdict"] == "refused" and "better than the champion" in second.tags["refused_by"]
    assert "same data and test set as version 1" in second.tags["gates"]
    assert client(folder).get_model_version_by_alias("text_hyper", "champion").version == first.version

    output(folder, "promote", "--variant", "text_hyper", "--run", key, "--yes", "--alias", "challenger")
    compared = json.loads(output(folder, "compare", "text_hyper@champion", "text_hyper@challenger", "--json"))
    assert compared["images"] > 10 and (folder / compared["figure"]).is_file()
    best = result["best"]["test"]["srcc"]
    assert compared["targets"]["alignment"]["first"]["srcc"] == pytest.approx(best, abs=1e-6)

    output(folder, "promote", "--variant", "text_hyper", "--run", key, *FORCE)
    moves = json.loads(output(folder, "promote", "--variant", "text_hyper", "--history", "--json"))["moves"]
    assert [(move["of"], move["to"]) for move in moves] == [(None, 1), (1, 2)]
    results = [client(folder).get_model_version("text_hyper", number).tags["verdict"] for number in ("1", "2")]
    assert [move["forced"] for move in moves] == [result == "forced" for result in results] and moves[1]["forced"]
    assert moves[1]["why"] == "to try it | *here*"

    output(folder, "promote", "--sweep", "made", "--control", *FORCE)
    control = client(folder).get_model_version_by_alias("plain_head", "champion")
    assert control.run_id == result["control"]["mlflow_run_id"] and control.tags["control_of"] == "text_hyper"
    assert "the control of text_hyper" in control.description and "it is plain_head itself" in control.description
    scored = output(folder, "score", "--model", "plain_head@champion", "--prompt", "a scene", "00.png", "01.png")
    assert scored.count(".png") == 2
    against = json.loads(output(folder, "compare", "text_hyper@champion", "plain_head@champion", "--json"))
    assert against["images"] == compared["images"]

    assert "from version 2 to version 1" in output(folder, "rollback", "--variant", "text_hyper", "--dry-run")
    output(folder, "rollback", "--variant", "text_hyper", "--yes", "--reason", "enough")
    assert client(folder).get_model_version_by_alias("text_hyper", "champion").version == first.version
    assert "no earlier champion" in output(folder, "rollback", "--variant", "text_hyper", "--yes", code=2)


def test_promote_needs_the_images_but_not_the_folder_of_the_sweep(folder, tmp_path):
    options = ("--tracking-uri", f"sqlite:///{folder}/mlflow.db", "--variant", "text_hyper", "--sweep", "made")
    printed = output(tmp_path, "promote", *options, "--alias", "elsewhere", "--yes", code=1)
    assert "Refused by “reproduces its test scores”: the images of csv:ratings.csv are not on this machine" in printed


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("promote", ("--variant", "text_hypr", "--yes"), "did you mean"),
        ("promote", ("--variant", "image_hyper", "--yes"), "No finished sweep of image_hyper was found"),
        ("promote", ("--variant", "text_hyper", "--yes", "--sweep", "nowhere"), "No sweep nowhere"),
        ("promote", ("--variant", "text_hyper", "--yes", "--run", "made/trial-0000"), "is not a complete confirm run"),
        ("promote", ("--variant", "text_hyper", "--yes", "--run", "made/confirm-9999"), "no run 'made/confirm-9999'"),
        ("promote", ("--variant", "text_hyper", "--yes", "--force"), "--reason"),
        ("promote", ("--variant", "text_hyper", "--yes", "--reason", "so"), "--force"),
        ("promote", ("--variant", "text_hyper", "--yes", "--run", "a/b", "--sweep", "c"), "not both"),
        ("rollback", ("--variant", "image_hyper", "--yes"), "no image_hyper@champion"),
        (
            "compare",
            ("text_hyper@nobody", "made/confirm-0001"),
            "text_hyper has no @nobody: it has",
        ),
        ("compare", ("made/trial-0000", "made/trial-0001"), "has no predictions"),
    ],
)
def test_commands_refuse_wrong_input_with_a_sentence(folder, command, arguments, message):
    assert message in output(folder, command, *arguments, code=2)
