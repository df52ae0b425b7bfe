import pytest
import torch

from models.encoders import build_encoder

PROMPTS = ["a photo of a cat", "a picture of a kitten", "the stock market fell on Monday"]


@pytest.fixture(scope="module")
def encoder():
    return build_encoder("minilm")


def test_embeddings_have_length_one_and_know_what_is_alike(encoder):
    embedding = encoder.encode(PROMPTS)["embedding"]
    assert embedding.shape == (3, *encoder.shapes["embedding"]) and embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))
    alike = embedding @ embedding.T
    assert alike[0, 1] > 0.6 > 0.3 > alike[0, 2]


def test_a_prompts_embedding_does_not_depend_on_its_neighbours(encoder):
    alone = encoder.encode(PROMPTS[:1])["embedding"]
    together = encoder.encode([*PROMPTS, PROMPTS[2] * 10])["embedding"]
    torch.testing.assert_close(alone[0], together[0], rtol=1e-4, atol=1e-5)
    assert torch.equal(alone, encoder.encode(PROMPTS[:1])["embedding"])


def test_an_empty_prompt_has_an_embedding(encoder):
    assert encoder.encode([""])["embedding"].isfinite().all()


def test_embedding_can_be_used_in_training(encoder):
    weight = torch.ones(384, requires_grad=True)
    (encoder.encode(PROMPTS)["embedding"].clone() @ weight).sum().backward()
    assert weight.grad is not None
