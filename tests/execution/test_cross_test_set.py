"""Preparation of a second data set: scored rows, excluded rows, refusals."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.core.errors import InputError
from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.prepare import extract_cross_test, extract_features, prepare
from orchestrator.sweeps.dry_run import dry_run
from orchestrator.sweeps.fingerprint import check_unchanged, save_fingerprint

PROMPTS = 30


def draw(folder: Path, seed: int, rows: int = 60, **columns: object) -> Path:
    """Write a CSV with its images, two per prompt; no two folders share an image."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    names = [f"{row:02d}.png" for row in range(rows)]
    for name in names:
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / name)
    table = {"image": names, "prompt": [f"scene {seed} {row // 2}" for row in range(rows)]}
    scores = {"quality": random.uniform(0, 5, rows), "alignment": random.uniform(0, 5, rows)}
    pd.DataFrame(table | scores | columns).drop(columns=[k for k, v in columns.items() if v is None]).to_csv(
        folder / "ratings.csv", index=False
    )
    return folder / "ratings.csv"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return draw(tmp_path / "own", 1)


@pytest.fixture
def spec(own: Path):
    small = {"dataset": f"csv:{own}", "trials": 2, "epochs": 2, "splits": 3}
    return lambda test, **given: build_spec({**small, "test_dataset": f"csv:{test}" if test else None, **given})


def test_unrelated_data_set_is_scored_whole(spec, tmp_path):
    other = draw(tmp_path / "other set", 2)
    cross = prepare(spec(other)).cross
    assert list(cross.rows) == list(range(60)) and cross.shared == {} and cross.prompts == PROMPTS
    assert (cross.targets, cross.missing, cross.label) == (("alignment",), (), "ratings")
    assert cross.sentences() == ["Confirm runs also score 60 images of 30 prompts of csv:ratings.csv."]
    assert prepare(spec(None)).cross is None


def test_rows_of_train_and_validation_parts_are_excluded(spec, own, tmp_path):
    """Rows of the training data's test prompts stay: no split learns from them."""
    prepared = prepare(spec(None))
    learned = {row for split in prepared.splits.values() for row in (*split.train, *split.validation)}
    kept = [row for row in range(60) if row not in learned]
    assert 4 <= len(kept) < 30
    prompts = [f"  SCENE 1  {row // 2}" for row in range(60)]
    other = draw(tmp_path / "other", 2, prompt=prompts)
    for row in (sorted(learned)[0], kept[0]):
        (other.parent / f"{row:02d}.png").write_bytes((own.parent / f"{row:02d}.png").read_bytes())
    cross = prepare(spec(other)).cross
    assert list(cross.rows) == kept
    assert cross.shared == {"image": 1, "prompt": len(learned) - 1}
    assert f"{len(learned) - 1} of 60 images whose prompt is trained on" in " ".join(cross.sentences())
    assert cross.as_dict()["left_out"] == {"shared image": 1, "shared prompt": len(learned) - 1}


def test_same_image_with_another_prompt_is_excluded(spec, own, tmp_path):
    other = draw(tmp_path / "other", 2)
    split = prepare(spec(None)).splits[1]
    for row in (split.train[0], split.validation[0]):
        (other.parent / f"{row:02d}.png").write_bytes((own.parent / f"{row:02d}.png").read_bytes())
    cross = prepare(spec(other)).cross
    assert cross.shared == {"image": 2} and not {split.train[0], split.validation[0]} & set(cross.rows)


def test_same_data_set_is_refused_under_any_name(spec, own, tmp_path):
    with pytest.raises(InputError, match=r"csv:ratings\.csv has the same images and prompts as csv:ratings\.csv"):
        prepare(spec(own))
    table = pd.read_csv(own).assign(alignment=1.0, name=[f"z{60 - row}" for row in range(60)])
    table.to_csv(own.with_name("again.csv"), index=False)
    with pytest.raises(InputError, match="same images and prompts"):
        prepare(spec(own.with_name("again.csv")))


def test_too_few_unshared_rows_are_refused_with_counts(spec, own, tmp_path):
    table = pd.read_csv(own)
    trained = sorted({row for s in prepare(spec(None)).splits.values() for row in (*s.train, *s.validation)})
    table.iloc[trained[:20]].to_csv(own.with_name("part.csv"), index=False)
    message = r"0 of 20 images of csv:part\.csv are left to score, too few: 20 share an image with what is trained on"
    with pytest.raises(InputError, match=message):
        prepare(spec(own.with_name("part.csv")))
    few = draw(tmp_path / "few", 3, rows=2)
    with pytest.raises(InputError, match="2 of 2 images .* too few: there are no more"):
        prepare(spec(few))


def test_targets_are_those_of_both_data_sets(spec, tmp_path):
    other = draw(tmp_path / "other", 2, alignment=None)
    with pytest.raises(InputError, match=r"has no score alignment, which is learned; it has quality\."):
        prepare(spec(other))
    cross = prepare(spec(other, variant="hybrid_hyper", targets=("quality", "alignment"))).cross
    assert (cross.targets, cross.missing) == (("quality",), ("alignment",))
    assert "csv:ratings.csv has no alignment to compare with." in cross.sentences()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"confirm": 0}, "confirm runs, of which --confirm 0 leaves none"),
        ({"test_dataset": None, "test_data_root": Path(".")}, "name it with --test-dataset"),
        ({"test_dataset": "shape"}, "shape.*shapes"),
        ({"test_data_root": Path("absent")}, "absent does not exist"),
    ],
)
def test_settings_without_effect_are_refused(spec, tmp_path, given, message):
    with pytest.raises(InputError, match=message) as caught:
        prepare(spec(draw(tmp_path / "other", 2), **given))
    assert "\n" not in str(caught.value)


def test_criteria_are_required_for_both_data_sets(spec, tmp_path):
    other, file = draw(tmp_path / "other", 2), tmp_path / "criteria.jsonl"

    def write(*seeds: int) -> None:
        lines = [{"prompt": f"scene {s} {n}", "criteria": f"kind {s + n}"} for s in seeds for n in range(PROMPTS)]
        file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    given = {"variant": "criteria_hyper", "criteria": file}
    write(1)
    with pytest.raises(InputError, match=r"--test-dataset csv:ratings\.csv: --criteria .* has nothing for 30 of 30"):
        prepare(spec(other, **given))
    write(1, 2)
    assert prepare(spec(other, **given)).cross.dataset.criteria[0] == "kind 2"
    write(1)
    assert prepare(spec(other, criteria=file)).cross, "a variant that reads none needs none"


def test_second_data_set_is_part_of_the_sweep_s_identity(spec, tmp_path):
    other, workspace = draw(tmp_path / "other", 2), Workspace(tmp_path / "sweeps" / "mine")
    one = spec(other)
    assert one.differences(spec(None, id=one.id))["test_dataset"] == (f"csv:{other}", None)
    assert one.differences(spec(other, test_data_root=tmp_path)) == {}, "where it lies may change"
    save_fingerprint(prepare(one), workspace)
    check_unchanged(prepare(one), workspace)
    other.write_text(other.read_text(encoding="utf-8").replace("scene 2 3,", "scene 2 three,"), encoding="utf-8")
    with pytest.raises(InputError, match="mine cannot be resumed: test data changed since"):
        check_unchanged(prepare(one), workspace)


def test_sweep_of_a_version_without_second_data_sets_is_resumed(spec, tmp_path):
    workspace = Workspace(tmp_path / "sweeps" / "mine")
    save_fingerprint(prepare(spec(None)), workspace)
    before = json.loads(workspace.identity.read_text(encoding="utf-8"))
    del before["test_data"]
    workspace.identity.write_text(json.dumps(before), encoding="utf-8")
    check_unchanged(prepare(spec(None)), workspace)


def test_dry_run_reports_the_scored_rows(spec, tmp_path):
    estimate = dry_run(prepare(spec(draw(tmp_path / "other", 2))))
    assert estimate.as_dict()["cross"]["images"] == 60 and json.dumps(estimate.as_dict())
    assert "Confirm runs also score 60 images" in estimate.cross_sentences[0]
    assert dry_run(prepare(spec(None))).as_dict()["cross"] is None


def test_features_have_the_same_encoders_and_row_order(spec, tmp_path):
    table = pd.read_csv(draw(tmp_path / "other", 2)).sample(frac=1, random_state=0)
    table.to_csv(tmp_path / "other" / "ratings.csv", index=False)
    prepared = prepare(spec(tmp_path / "other" / "ratings.csv", variant="image_hyper", targets=("quality",)))
    said = []
    features = extract_features(prepared, lambda *told: None)
    cross = extract_cross_test(prepared, lambda done, total, what: said.append(what))
    assert cross.features.identity == features.identity and cross.features.shapes == features.shapes
    assert all(what.startswith("csv:ratings.csv: ") for what in said) and said
    expected = table.set_index("image").loc[list(cross.names)]
    np.testing.assert_array_equal(cross.scores[:, 0], expected["quality"])
    # Alone, on a machine that knows only this data set, the same image has the same features.
    alone = prepare(spec(None, dataset=f"csv:{tmp_path}/other/ratings.csv", variant="image_hyper"))
    one = extract_features(alone, lambda *told: None).tensors()
    two = cross.features.tensors()
    assert alone.dataset.names == list(cross.names) and all((one[name] == two[name]).all() for name in two)
