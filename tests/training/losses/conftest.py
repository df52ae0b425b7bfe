from collections.abc import Callable

import pytest
import torch

from orchestrator.training.losses import LossBatch

Made = tuple[torch.Tensor, LossBatch]


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Made]:
    """Random predictions (B, T) and their batch in float64; the scores have ties, the prompts several rows."""

    def make(rows: int = 12, targets: int = 2, seed: int = 0) -> Made:
        generator = torch.Generator().manual_seed(seed)
        prediction = torch.randn(rows, targets, generator=generator, dtype=torch.float64)
        target = torch.randn(rows, targets, generator=generator, dtype=torch.float64).mul(2).round().div(2)
        prompts = torch.randint(0, 4, (rows,), generator=generator)
        std = 0.3 + torch.rand(rows, targets, generator=generator, dtype=torch.float64)
        return prediction, LossBatch(target, prompts, std)

    return make
