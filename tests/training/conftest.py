from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from orchestrator.training import TrainingData

# Tensors this small are slower on several threads, and far slower where the cores are busy.
torch.set_num_threads(1)


class TinyScorer(nn.Module):
    """A scoring model small enough for milliseconds: a linear part, a map part, dropout, a "hypernet"."""

    def __init__(self, n_targets: int = 1) -> None:
        super().__init__()
        self.reads = ("prompt.embedding", "image.map")
        self.register_buffer("mean", torch.zeros(6))
        self.hypernet = nn.Linear(3, 8)
        self.body = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.2))
        self.head = nn.Linear(8, n_targets)

    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        self.mean.copy_(features["prompt.embedding"].mean(0))

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        hidden = self.body(features["prompt.embedding"] - self.mean)
        return self.head(hidden * (1 + 0.1 * self.hypernet(features["image.map"].mean((2, 3)))))


def make_data(n_targets: int = 1, rows: int = 160, seed: int = 0) -> TrainingData:
    """Return learnable rows, 8 for each prompt; the last 2 of 5 parts are validation and test, prompts disjoint."""
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(rows, 6, generator=generator)
    maps = torch.randn(rows, 3, 4, 4, generator=generator).half()
    clean = vectors[:, :n_targets] + 0.5 * maps.float().mean((2, 3))[:, :1]
    scores = 3 + clean + 0.3 * torch.randn(rows, n_targets, generator=generator)
    index = torch.arange(rows)
    cut = rows // 5
    return TrainingData(
        features={"prompt.embedding": vectors.half(), "image.map": maps, "image.unread": maps},
        scores=scores,
        targets=("quality", "alignment", "authenticity")[:n_targets],
        prompt_ids=index // 8,
        train=index[: 3 * cut],
        validation=index[3 * cut : 4 * cut],
        test=index[4 * cut :],
    )


@pytest.fixture
def make_model() -> Callable[..., TinyScorer]:
    def build(n_targets: int = 1, seed: int = 0) -> TinyScorer:
        torch.manual_seed(seed)
        return TinyScorer(n_targets)

    return build


@pytest.fixture
def build_data() -> Callable[..., TrainingData]:
    return make_data


@pytest.fixture
def data() -> TrainingData:
    return make_data()


@pytest.fixture
def two_targets() -> TrainingData:
    return make_data(n_targets=2)
