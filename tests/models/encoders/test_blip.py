import os
import threading

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from PIL import Image
from transformers import AutoTokenizer, BlipForImageTextRetrieval

from models.encoders import JointEncoder, build_encoder
from models.encoders.blip import Blip

PROMPTS = ["a red cat", "a photo of the blue dog and the cat"]


@pytest.fixture
def encoder(weights) -> JointEncoder:
    return build_encoder("blip")


def pictures() -> list[Image.Image]:
    coarse = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)
    sizes = [(300, 260), (224, 500)]
    return [Image.fromarray(field).resize(size) for field, size in zip(coarse, sizes, strict=True)]


def published_transform(size: int) -> T.Compose:
    """Return ImageReward's transform, by torchvision."""
    return T.Compose(
        [
            T.Resize(size, interpolation=T.InterpolationMode.BICUBIC),
            T.CenterCrop(size),
            T.ToTensor(),
            T.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )


def encode(encoder: JointEncoder, images: list[Image.Image], prompts: list[str]) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack([encoder.preprocess(image) for image in images]))
    return encoder.encode(pixels, prompts)["embedding"]


@torch.inference_mode()
def test_embedding_is_position_0_of_the_text_encoder_of_transformers(weights, encoder):
    """The reference is the model's own forward pass, whose `question_embeds` are the text encoder's hidden states."""
    model = BlipForImageTextRetrieval.from_pretrained(weights / "blip").eval()
    tokens = AutoTokenizer.from_pretrained(weights / "blip")(PROMPTS, padding="max_length", max_length=35)
    output = model(
        input_ids=torch.tensor(tokens["input_ids"]),
        attention_mask=torch.tensor(tokens["attention_mask"]),
        pixel_values=torch.stack([published_transform(224)(picture) for picture in pictures()]),
        interpolate_pos_encoding=True,
    )
    embedding = encode(encoder, pictures(), PROMPTS)
    torch.testing.assert_close(embedding, output.question_embeds[:, 0], rtol=1e-4, atol=1e-5)
    assert encoder.shapes == {"embedding": (32,)}


def test_defaults_are_those_of_imagereward(encoder):
    assert isinstance(encoder, Blip)
    assert (encoder.size, encoder.max_tokens) == (224, 35)


@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("shape", [(300, 260), (224, 224), (225, 224), (101, 400), (30, 47), (333, 224)])
def test_pixels_are_those_of_imagerewards_transform(size, shape):
    noise = np.random.default_rng(1).integers(0, 256, (shape[1], shape[0], 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    expected = T.Compose(published_transform(size).transforms[:2])(picture)
    pixels = Blip(size).preprocess(picture)
    assert np.array_equal(pixels, np.asarray(expected).transpose(2, 0, 1))


def test_both_the_image_and_the_prompt_matter(encoder):
    first, second = pictures()
    rows = encode(encoder, [first, first, second], [PROMPTS[0], PROMPTS[1], PROMPTS[0]])
    assert (rows[0] - rows[1]).abs().max() > 1e-3 and (rows[0] - rows[2]).abs().max() > 1e-3


def test_embedding_is_deterministic_and_does_not_depend_on_the_batch(encoder):
    """Encodings would vary with dropout, which the author's copy does not turn off."""
    together = encode(encoder, pictures(), PROMPTS)
    assert torch.equal(together, encode(encoder, pictures(), PROMPTS))
    torch.testing.assert_close(encode(encoder, pictures()[:1], PROMPTS[:1])[0], together[0], rtol=1e-4, atol=1e-5)


def test_35_tokens_are_read(encoder):
    start = "a photo of the cat " * 6  # 30 words after [CLS]
    picture = pictures()[0]
    rows = encode(encoder, [picture] * 4, [start + end for end in ("a red", "a dog", "a b c d red", "a b c d dog")])
    assert not torch.equal(rows[0], rows[1])
    torch.testing.assert_close(rows[2], rows[3], rtol=0, atol=0)


def test_several_threads_may_encode(encoder):
    expected = [encode(encoder, pictures()[:1], [PROMPTS[index % 2]]) for index in range(2)]
    found: dict[int, torch.Tensor] = {}

    def work(index: int) -> None:
        for _ in range(10):
            found[index] = encode(encoder, pictures()[:1], [PROMPTS[index % 2]])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for index, embedding in found.items():
        torch.testing.assert_close(embedding, expected[index % 2], rtol=1e-4, atol=1e-5)


def test_identity_changes_with_everything_the_arrays_depend_on(encoder, weights):
    others = [Blip(size=64), Blip(max_tokens=20)]
    assert len({encoder.identity, *(other.identity for other in others)}) == 3
    assert str(os.fspath(weights)) not in encoder.identity
