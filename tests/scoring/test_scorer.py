import json
import pickle
from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from orchestrator.scoring import FeatureDistribution, ModelLoadError, load_scorer
from tests.scoring.made_model import save_images, save_model

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("scorer") / "model")


@pytest.fixture(scope="module")
def scorer(saved):
    return load_scorer(saved)


@pytest.fixture
def copied(saved, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_broken_image_is_a_row_with_its_reason_and_changes_no_other(scorer, tmp_path):
    images = save_images(tmp_path / "images", 20)
    broken = [*images[:5], tmp_path / "gone.png", *images[5:], b"torn"]
    prompts = [f"thing {number // 3}" for number in range(len(broken))]
    table = scorer(broken, prompts)
    assert list(table["reason"].dropna()) == ["missing", "unreadable"] and len(table) == 22
    assert table.loc[[5, 21], ["alignment", "alignment_percentile"]].isna().all(axis=None)
    kept = [number for number in range(22) if number not in {5, 21}]
    whole = scorer(images, [prompts[number] for number in kept])
    np.testing.assert_allclose(table["alignment"][kept], whole["alignment"], atol=1e-3)
    assert whole["alignment"].nunique() == 20


def test_images_in_any_form_and_one_prompt_for_all(scorer, tmp_path):
    (path,) = save_images(tmp_path / "images", 1)
    with Image.open(path) as image:
        table = scorer([path, str(path), path.read_bytes(), image, np.asarray(image)], "a fox")
    assert table["alignment"].nunique() == 1 and set(table["prompt"]) == {"a fox"}
    assert list(table["image"]) == [str(path), str(path), "image 3", "image 4", "image 5"]


def test_a_url_and_a_blank_prompt_are_rows_with_a_reason(scorer, tmp_path):
    (image,) = save_images(tmp_path, 1)
    urls = ["https://example.com/x.png", "file:///x/a.png"]
    table = scorer([*urls, image, image], ["a", "a", " ", "a fox"])
    assert table["image"].tolist()[:2] == urls and table["alignment"].notna().tolist() == [False, False, False, True]
    assert table["reason"].tolist() == ["a URL, and URLs are not fetched"] * 2 + ["empty prompt", None]


def test_a_prompt_counts_and_is_encoded_once(scorer, tmp_path, monkeypatch):
    (path,) = save_images(tmp_path / "images", 1)
    asked = []
    encoder = scorer._encoders["prompt"]
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda prompts: asked.extend(prompts) or encode(prompts))
    table = scorer([path] * 12, ["a fox", "a whale"] * 6)
    assert asked == ["a fox", "a whale"] and table.groupby("prompt")["alignment"].nunique().tolist() == [1, 1]
    assert table["alignment"].nunique() == 2


def test_progress_ends_at_the_number_of_images(scorer, tmp_path):
    calls = []
    images = save_images(tmp_path / "images", 19)
    scorer(images, "a fox", progress=lambda done, total, what: calls.append((done, total)))
    assert calls[-1] == (19, 19) and len(calls) == 5 and calls == sorted(calls)


@pytest.mark.parametrize("name", ["weights.pkl", "model.py", ".hidden", "python_model.pkl"])
def test_a_folder_with_more_than_a_model_is_refused(copied, name):
    (copied / name).write_bytes(pickle.dumps({}))
    with pytest.raises(ModelLoadError, match=f"holds {name}, which is not part of a model"):
        load_scorer(copied)


@pytest.mark.parametrize("content", [b"\x80\x04}.", pickle.dumps({"a": 1})])
def test_weights_that_are_a_pickle_are_refused(copied, content):
    (copied / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelLoadError, match="holds no model that can be read"):
        load_scorer(copied)


@pytest.mark.parametrize(
    "change",
    [
        {"variant": "os.system"},
        {"parameters": {"code": "x"}},
        {"encoders": {"image": "x"}},
        {"shapes": {}},
        {"encoder_identities": {}},
        {"encoders": {}, "encoder_identities": {}},
        {"encoders": ["minilm"]},
        {"encoders": {"prompt": 5}, "encoder_identities": {"prompt": "x"}, "shapes": {}},
        {"shapes": ["image.map"]},
        {"mos_quantiles": [1, 2]},
    ],
)
def test_invalid_configuration_is_rejected_in_a_sentence(copied, change):
    card = json.loads((copied / "model.json").read_text(encoding="utf-8"))
    (copied / "model.json").write_text(json.dumps({**card, **change}), encoding="utf-8")
    with pytest.raises(ModelLoadError) as refused:
        load_scorer(copied)
    assert "\n" not in str(refused.value)


def test_configuration_without_quantiles_scores_without_percentiles(copied, scorer, tmp_path):
    card = json.loads((copied / "model.json").read_text(encoding="utf-8"))
    del card["mos_quantiles"]
    (copied / "model.json").write_text(json.dumps(card), encoding="utf-8")
    images = save_images(tmp_path / "images")
    table = load_scorer(copied)(images, "a fox")
    known = ["alignment_percentile", "alignment_out_of_range"]
    pd.testing.assert_frame_equal(table, scorer(images, "a fox").drop(columns=known))


def test_model_of_an_earlier_version_has_no_marks_of_inputs(copied):
    (copied / "training_features.safetensors").unlink()
    columns = list(load_scorer(copied)([], []).columns)
    assert columns == [
        "image",
        "prompt",
        "alignment",
        "alignment_percentile",
        "reason",
        "alignment_out_of_range",
    ]


def test_marks_follow_the_other_columns_and_are_missing_without_scores(scorer, tmp_path):
    table = scorer([*save_images(tmp_path / "images"), tmp_path / "gone.png"], "a fox")
    marks = ["alignment_out_of_range", "image_unlike_training", "prompt_unlike_training"]
    assert list(table)[-4:] == ["reason", *marks]
    assert table[marks].notna().all(axis=1).tolist() == [True, True, True, False]
    # Real images are unlike the made features that the distribution was fitted to.
    assert len(table[table["image_unlike_training"]]) == 3


def test_inputs_far_from_the_training_features_are_marked(scorer):
    """Fit distributions to images of noise and to short prompts; a flat image and a line of code are unlike them."""
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(12)]
    prompts = [f"a {colour} {animal}" for colour in ("red", "blue", "white") for animal in ("fox", "dog", "cat", "owl")]
    image, prompt = scorer._encoders["image"], scorer._encoders["prompt"]
    pixels = torch.from_numpy(np.stack([image.preprocess(Image.fromarray(array)) for array in noise]))
    features = {"image": image.encode(pixels)["statistics"], "prompt": prompt.encode(prompts)["embedding"]}
    fitted = {kind: FeatureDistribution.fit(kind, rows.numpy(), rows.numpy()) for kind, rows in features.items()}
    changed = copy(scorer)
    changed._distributions = fitted
    flat = np.full((64, 64, 3), 200, np.uint8)
    table = changed([*noise, flat, noise[0]], [*prompts, prompts[0], "SELECT 1;"])
    assert table["image_unlike_training"].tolist() == [False] * 12 + [True, False]
    assert table["prompt_unlike_training"].tolist() == [False] * 12 + [False, True]


def test_scores_outside_the_training_range_are_marked(scorer, tmp_path):
    images = save_images(tmp_path / "images")
    scores = scorer(images, "a fox")["alignment"]
    changed = copy(scorer)
    quantiles = {"alignment": (float(scores.min()) - 1, float(scores.median()))}
    changed.config = replace(scorer.config, mos_quantiles=quantiles)
    marked = changed(images, "a fox")["alignment_out_of_range"]
    assert marked.tolist() == (scores > scores.median()).tolist() and marked.sum() == 1


def test_damaged_training_features_are_refused_in_a_sentence(copied):
    (copied / "training_features.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelLoadError, match="holds no model that can be read"):
        load_scorer(copied)
