"""The commands `orchestrator.score` and `orchestrator.export`."""

import json
import shutil
import zipfile

import pandas as pd
import pytest
from typer.testing import CliRunner

from orchestrator.export import export
from orchestrator.score import score
from orchestrator.tracking.model_digest import folder_digest

pytestmark = pytest.mark.integration


@pytest.fixture
def exported(made, tmp_path):
    done = CliRunner().invoke(
        export, ["--model", "text_hyper@champion", "--tracking-uri", made.uri, "--to", str(tmp_path / "fox")]
    )
    assert done.exit_code == 0, done.output
    return tmp_path / "fox"


def run(*arguments):
    return CliRunner().invoke(score, [str(argument) for argument in arguments])


def test_score_ranks_images_and_lists_unreadable_ones(made, elsewhere):
    (elsewhere / "torn.png").write_bytes(b"torn")
    done = run("--model", made.model, "--prompt", "a fox", elsewhere / "torn.png", *made.images[:3])
    assert done.exit_code == 0 and "torn.png: unreadable" in done.stdout and "percentile" in done.stdout
    done = run("--model", made.model, "--prompt", "a fox", elsewhere / "torn.png", *made.images[:3], "--json")
    scores = json.loads(done.stdout)["scores"]
    values = [row["alignment"] for row in scores]
    assert values[3] is None and scores[3]["reason"] == "unreadable" and values[:3] == sorted(values[:3], reverse=True)


def test_score_exits_with_1_if_no_image_was_scored(made, elsewhere):
    done = run("--model", made.model, "--prompt", "a fox", "gone.png")
    assert done.exit_code == 1 and "gone.png: missing" in done.stdout


def test_score_reads_and_writes_a_table(made, elsewhere):
    (elsewhere / "in.csv").write_text(
        "".join(["image,prompt\n", *(f"{path},007\n" for path in made.images)]), encoding="utf-8"
    )
    done = run("--model", "text_hyper@champion", "--tracking-uri", made.uri, "in.csv", "--out", "to/scores.csv")
    assert done.exit_code == 0, done.output
    table = pd.read_csv("to/scores.csv", dtype={"prompt": str})
    columns = ["image", "prompt", "alignment", "alignment_percentile", "reason"]
    marks = ["alignment_out_of_range", "image_unlike_training", "prompt_unlike_training"]
    assert list(table) == [*columns, *marks] and table[marks[1]].all()
    assert set(table["prompt"]) == {"007"} and len(table) == 10 and table["alignment"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--prompt", "a fox", "a.png", "--device", "tpu"], "--device is cpu, cuda or auto"),
        (["--check", "a.png"], "give no images"),
        (["a.png", "--prompt", "a fox", "--dataset", "shapes"], "go with --check"),
        (["a.png"], "Give --prompt"),
        (["a.png", "--prompt", "a fox", "--criteria", "red"], "does not read criteria: omit --criteria"),
        (["--check"], "has no test predictions"),
    ],
)
def test_score_refuses_wrong_input_with_one_sentence(made, arguments, sentence):
    done = run("--model", made.model, *arguments)
    assert done.exit_code == 2 and sentence in done.stderr and done.stderr.count("\n") == 1


def test_export_contains_data_only_and_reproduces_its_scores(made, exported):
    files = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    model = {f"model/{name}" for name in ("model.json", "model.safetensors", "training_features.safetensors")}
    assert files == {"README.md", "export.json", "predictions.csv", *model}
    about = json.loads((exported / "export.json").read_text(encoding="utf-8"))["about"]
    assert about["mlflow_run"] == made.run_id and about["dataset"] == "csv:ratings.csv"
    assert about["registered"] == "text_hyper/1"
    done = run("--model", exported, "--check", "--dataset", f"csv:{made.folder}/ratings.csv", "--json")
    assert done.exit_code == 0, done.output
    check = json.loads(done.stdout)
    assert check["passed"] and check["images"] == 8 and not check["missing"]
    assert check["largest"]["alignment"] < 1e-3
    assert check["recorded"]["alignment"]["srcc"] == pytest.approx(check["again"]["alignment"]["srcc"], abs=1e-6)


@pytest.mark.parametrize("change", ["score", "image"])
def test_score_check_exits_with_1_for_other_scores_or_missing_images(made, exported, tmp_path, change):
    data = tmp_path / "data"
    shutil.copytree(made.folder / "images", data / "images")
    shutil.copyfile(made.folder / "ratings.csv", data / "ratings.csv")
    if change == "score":
        table = pd.read_csv(exported / "predictions.csv", dtype={"prompt": str})
        table.loc[5, "predicted_alignment"] += 0.1
        table.to_csv(exported / "predictions.csv", index=False)
    else:
        (data / "images" / "5.png").unlink()
    done = run("--model", exported, "--check", "--dataset", f"csv:{data}/ratings.csv")
    assert done.exit_code == 1 and "The scores are not the same." in done.stdout
    assert ("images/5.png" in done.stdout) == (change == "image")


def test_score_check_refuses_another_data_set(made, exported, elsewhere):
    rows = [f"{path},007,{number}\n" for number, path in enumerate(made.images)]
    (elsewhere / "other.csv").write_text("".join(["image,prompt,alignment\n", *rows]), encoding="utf-8")
    done = run("--model", exported, "--check", "--dataset", "csv:other.csv")
    assert done.exit_code == 2 and "None of the 8 test images" in done.stderr


def test_export_writes_the_same_to_a_zip_and_overwrites_nothing(made, exported, tmp_path):
    arguments = ["--model", str(exported), "--to", str(tmp_path / "fox.zip")]
    assert CliRunner().invoke(export, arguments).exit_code == 0
    with zipfile.ZipFile(tmp_path / "fox.zip") as packed:
        assert {name for name in packed.namelist() if not name.endswith("/")} == {
            f"fox/{path.relative_to(exported).as_posix()}" for path in exported.rglob("*") if path.is_file()
        }
        assert packed.read("fox/README.md") == (exported / "README.md").read_bytes()
    again = CliRunner().invoke(export, arguments)
    assert again.exit_code == 2 and "exists already" in again.stderr
    done = run("--model", tmp_path / "fox.zip", "--prompt", "a fox", made.images[0])
    assert done.exit_code == 0, done.output


def test_score_refuses_a_zip_with_entries_outside_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("../evil.py", "")
    done = run("--model", tmp_path / "evil.zip", "--prompt", "a fox", "a.png")
    assert done.exit_code == 2 and "has entries outside its folder" in done.stderr
    assert not list(tmp_path.glob("**/evil.py"))


def test_score_refuses_an_encrypted_or_damaged_zip(tmp_path):
    """Set the first bit of the flags in both headers, since Python cannot write encrypted files."""
    with zipfile.ZipFile(file := tmp_path / "fox.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("fox/export.json", "{}" * 999)
    whole = bytearray(file.read_bytes())
    encrypted, damaged = whole.copy(), whole.copy()
    encrypted[6] |= 1
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1
    damaged[30 + len("fox/export.json")] = 0xFF  # where the deflated content begins
    for content in (encrypted, damaged):
        file.write_bytes(content)
        done = run("--model", file, "--prompt", "a fox", "a.png")
        assert done.exit_code == 2 and "cannot be unpacked" in done.stderr and done.stderr.count("\n") == 1


def test_score_check_refuses_predictions_of_another_model(made, exported):
    table = exported / "predictions.csv"
    table.write_text(
        table.read_text(encoding="utf-8").replace("predicted_alignment", "predicted_quality"), encoding="utf-8"
    )
    done = run("--model", exported, "--check", "--dataset", f"csv:{made.folder}/ratings.csv")
    assert done.exit_code == 2 and "lack predicted_alignment" in done.stderr and done.stderr.count("\n") == 1


def test_score_refuses_a_folder_with_code(made, tmp_path):
    shutil.copytree(made.model, tmp_path / "model")
    (tmp_path / "model" / "model.pkl").write_bytes(b"")
    done = run("--model", tmp_path / "model", "--prompt", "a fox", made.images[0])
    assert done.exit_code == 2 and "not part of a model" in done.stderr and done.stderr.count("\n") == 1


def test_score_refuses_a_version_whose_files_and_own_hash_changed(made, elsewhere):
    """Change a model and the hash in its `MLmodel`, which a writer of the artifact store can; the tag stays."""
    shutil.copytree(made.artifact(elsewhere / "fetched"), root := elsewhere / "theirs")
    card = root / "data" / "model" / "model.json"
    card.write_text(card.read_text(encoding="utf-8").replace("3.0", "4.0"), encoding="utf-8")
    described = (root / "MLmodel").read_text(encoding="utf-8")
    (root / "MLmodel").write_text(
        described.replace(folder_digest(made.model), folder_digest(card.parent)), encoding="utf-8"
    )
    client = made.client
    client.create_registered_model("tampered")
    client.create_model_version("tampered", root.as_uri(), made.run_id)
    client.set_model_version_tag("tampered", "1", "sha256", folder_digest(made.model))
    done = run("--model", "tampered/1", "--tracking-uri", made.uri, "--prompt", "a fox", made.images[0])
    assert done.exit_code == 2 and "is not the one that was recorded" in done.stderr and done.stderr.count("\n") == 1
