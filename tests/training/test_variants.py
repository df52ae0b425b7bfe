"""Training of every registered variant, with the settings of the orchestrator."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from models import ScoringModel, build_variant, list_variants, variant_info
from orchestrator.search.space import load_space
from orchestrator.training import FitSettings, Trainer, TrainingData
from orchestrator.training.checkpoint import Checkpoints

SHAPES = {
    "prompt.embedding": (64,),
    "criteria.embedding": (64,),
    "image_prompt.embedding": (12,),
    "image.map": (6, 7, 7),
    "image.level1": (4, 8, 8),
    "image.level2": (5, 4, 4),
    "image.level3": (6, 2, 2),
    "image.level4": (8, 1, 1),
    "image.statistics": (10,),
}
SETTINGS = FitSettings(
    epochs=4, lr=0.01, hypernet_lr_ratio=0.5, batch_size=32, loss="huber+0.3*rank", prompt_grouped=True, ema=0.9
)
HYPER = [name for name in list_variants() if variant_info(name).hypernet_sees]


def build(name: str, seed: int = 0) -> ScoringModel:
    """Build a variant with the defaults of the shipped space, a smaller target net and little dropout."""
    torch.manual_seed(seed)
    space = load_space(name)
    chosen = space.configuration(space.default_params()).model
    return build_variant(name, SHAPES, **{**chosen, "widths": [16, 8], "dropout": 0.1, "input_dropout": 0.1})


@pytest.fixture(scope="module")
def planted() -> TrainingData:
    """Data whose scores are the sum of the first channels of target nets' features; 8 images for each prompt."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(320)
    features = {}
    for name, shape in SHAPES.items():
        channels = torch.randn(len(rows), *shape[:1], *(1 for _ in shape[1:]), generator=generator)
        features[name] = channels.expand(len(rows), *shape).contiguous().half()
    seen = ("image_prompt.embedding", "image.level4", "image.statistics")
    score = sum(features[name].flatten(1)[:, 0].float() for name in seen)
    assert isinstance(score, torch.Tensor)
    return TrainingData(features, 3 + score[:, None], ("quality",), rows // 8, rows[:192], rows[192:256], rows[256:])


@pytest.mark.parametrize("name", list_variants())
def test_training_resumes_from_disk_bit_for_bit_after_every_epoch(
    name: str, planted: TrainingData, tmp_path: Path
) -> None:
    whole = Trainer(build(name), planted, SETTINGS)
    results = []
    for epoch in range(SETTINGS.epochs):
        Checkpoints(tmp_path / str(epoch)).save(whole.state_dict())
        results.append({**asdict(whole.run_epoch()), "seconds": 0})
    for epoch in range(SETTINGS.epochs):
        resumed = Trainer(build(name, seed=1), planted, SETTINGS)
        state = Checkpoints(tmp_path / str(epoch)).load().state
        assert state is not None
        resumed.load_state_dict(state)
        while not resumed.finished:
            assert {**asdict(resumed.run_epoch()), "seconds": 0} == results[resumed.epoch - 1]
        end = whole.model.state_dict()
        assert all(torch.equal(value, end[key]) for key, value in resumed.model.state_dict().items())


@pytest.mark.parametrize("name", HYPER)
@pytest.mark.parametrize("ratio", [0.0, 1e-3, 1.0])
def test_the_hypernet_learns_at_its_own_rate_to_the_end(name: str, ratio: float, planted: TrainingData) -> None:
    """The hypernet learns in the last epoch too, at the end of the schedule; with the ratio 0 it never learns."""
    training = Trainer(build(name), planted, FitSettings(epochs=3, hypernet_lr_ratio=ratio, batch_size=32))
    while training.epoch < 2:
        training.run_epoch()
    before = {key: value.detach().clone() for key, value in training.model.named_parameters()}
    training.run_epoch()
    moved = {key: float((value.detach() - before[key]).abs().max()) for key, value in training.model.named_parameters()}
    in_hypernet = {key: size for key, size in moved.items() if key.startswith("hypernet.")}
    elsewhere = {key: size for key, size in moved.items() if key not in in_hypernet}
    assert in_hypernet and elsewhere and min(elsewhere.values()) > 0
    if ratio:
        assert min(in_hypernet.values()) > 0
    assert max(in_hypernet.values()) <= 3 * ratio * max(elsewhere.values())
