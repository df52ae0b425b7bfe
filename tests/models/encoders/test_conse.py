from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from models.encoders import build_encoder
from models.encoders.conse import class_names

AGIQA3K = Path(__file__).parents[4] / "shared" / "data" / "agiqa3k"


@pytest.fixture(scope="module")
def encoder():
    return build_encoder("conse")


def made(classes: list[dict[str, float]], prompts: list[str]):
    names = class_names()
    probs = torch.full((len(classes), 1000), 1e-6)
    for row, probabilities in enumerate(classes):
        for name, probability in probabilities.items():
            probs[row, names.index(name)] = probability
    image = {"probs": probs, "level4": torch.randn(len(classes), 1280, 1, 1)}
    return image, build_encoder("minilm").encode(prompts)


def test_the_classes_are_imagenets_in_their_order():
    names = class_names()
    assert len(names) == 1000
    assert [names[i] for i in (0, 207, 281, 954, 999)] == [
        "tench",
        "golden retriever",
        "tabby",
        "banana",
        "toilet tissue",
    ]


def test_embedding_concatenates_features_mix_product_and_cosine(encoder):
    image, prompt = made([{"banana": 0.6, "lemon": 0.2}], ["a banana beside a lemon"])
    (row,) = encoder.compose(image, prompt)["embedding"]
    features, mix, product, cosine = row.split([1280, 384, 384, 1])
    assert torch.equal(features, image["level4"].flatten())
    words = build_encoder("minilm").encode(["banana", "lemon"])["embedding"]
    expected = torch.nn.functional.normalize(0.75 * words[0] + 0.25 * words[1], dim=0)
    torch.testing.assert_close(mix, expected, rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(product, mix * prompt["embedding"][0])
    torch.testing.assert_close(cosine[0], mix @ prompt["embedding"][0])


def test_the_cosine_knows_which_prompt_a_picture_shows(encoder):
    image, prompt = made([{"banana": 0.9}, {"banana": 0.9}], ["a ripe banana", "a fast car"])
    cosine = encoder.compose(image, prompt)["embedding"][:, -1]
    assert cosine[0] > cosine[1] + 0.3


def test_accepts_half_precision_arrays_of_the_feature_store(encoder):
    image, prompt = made([{"banana": 0.6, "lemon": 0.2}], ["a banana"])
    full = encoder.compose(image, prompt)["embedding"]
    half = encoder.compose({k: v.half() for k, v in image.items()}, {k: v.half() for k, v in prompt.items()})
    torch.testing.assert_close(half["embedding"], full, rtol=2e-3, atol=2e-3)


def test_shapes_are_known_before_anything_is_encoded(encoder):
    image, prompt = build_encoder("efficientnet_lite0"), build_encoder("minilm")
    assert encoder.shapes_for(image.shapes, prompt.shapes) == {"embedding": (2049,)}
    given = {f"image.{name}" for name in image.shapes} | {"prompt.embedding"}
    assert set(encoder.needs) <= given


@pytest.mark.parametrize(
    ("image", "prompt", "message"),
    [
        ({"level4": (9, 1, 1)}, {"embedding": (384,)}, "class probabilities"),
        ({"level4": (9, 1, 1), "probs": (1000,)}, {"embedding": (768,)}, "choose minilm"),
    ],
)
def test_error_names_the_unsuitable_encoder(encoder, image, prompt, message):
    with pytest.raises(ValueError, match=message):
        encoder.shapes_for(image, prompt)


def test_class_embeddings_are_the_same_from_the_cache_and_computed_again_if_it_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("HYPERASSESS_CACHE", str(tmp_path))
    image, prompt = made([{"banana": 0.6, "lemon": 0.2}], ["a banana"])
    computed = build_encoder("conse").compose(image, prompt)["embedding"]
    (file,) = (tmp_path / "class_embeddings").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("models.encoders.conse.class_names", None)
        assert torch.equal(build_encoder("conse").compose(image, prompt)["embedding"], computed)
    file.write_bytes(b"damaged")
    assert torch.equal(build_encoder("conse").compose(image, prompt)["embedding"], computed)


@pytest.mark.skipif(not AGIQA3K.exists(), reason=f"AGIQA-3K is not at {AGIQA3K}")
def test_on_real_images_own_prompts_are_nearer_than_others(encoder):
    """Good generators only: AttnGAN's pictures show little of anything."""
    table = pd.read_csv(AGIQA3K / "data.csv")
    table = table[table.name.str.startswith("midjourney_normal")].drop_duplicates("prompt").iloc[:24]
    images = build_encoder("efficientnet_lite0")
    opened = (Image.open(AGIQA3K / "images" / name).convert("RGB") for name in table.name)
    image = images.encode(torch.from_numpy(np.stack([images.preprocess(picture) for picture in opened])))
    prompt = build_encoder("minilm").encode(list(table.prompt))["embedding"]
    own = encoder.compose(image, {"embedding": prompt})["embedding"][:, -1]
    others = [encoder.compose(image, {"embedding": prompt.roll(k, 0)})["embedding"][:, -1] for k in (3, 7, 11)]
    assert own.mean() > torch.stack(others).mean() + 0.05
