import subprocess
import sys

import pytest
import torch

from orchestrator.training import FitSettings
from orchestrator.training.optimizer import AdamW, lr_share


def test_steps_equal_torch_adamw_with_the_hypernets_rate_and_undecayed_vectors(make_model) -> None:
    ours, theirs = make_model(), make_model()
    settings = FitSettings(lr=0.02, hypernet_lr_ratio=0.25, weight_decay=0.1)
    optimizer = AdamW(ours, settings)
    reference = torch.optim.AdamW(
        [
            {
                "params": [parameter],
                "lr": 0.02 * (0.25 if name.startswith("hypernet.") else 1.0),
                "weight_decay": 0.1 if parameter.ndim > 1 else 0.0,
            }
            for name, parameter in theirs.named_parameters()
        ],
        fused=True,
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        optimizer.step(1.0)
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_parameters_without_gradient_stay(make_model) -> None:
    model = make_model()
    model.hypernet.requires_grad_(False)
    optimizer = AdamW(model, FitSettings(weight_decay=0.5))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.head.bias.grad = torch.ones_like(model.head.bias)
    optimizer.step(1.0)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"head.bias"}


def test_rate_climbs_over_the_warm_up_and_falls_to_zero() -> None:
    shares = [lr_share(progress / 100, warmup=0.2) for progress in range(1, 101)]
    assert shares[9] == pytest.approx(0.5)
    assert max(shares) == shares[19] == 1
    assert shares[59] == pytest.approx(0.5)
    assert shares[-1] == pytest.approx(0, abs=1e-12)
    assert shares[:20] == sorted(shares[:20]) and shares[20:] == sorted(shares[20:], reverse=True)
    assert lr_share(1e-9, warmup=0.0) == pytest.approx(1)


def test_training_does_not_import_torchs_compiler() -> None:
    code = (
        "import sys, torch; from torch import nn\n"
        "from orchestrator.training import FitSettings\n"
        "from orchestrator.training.optimizer import AdamW\n"
        "model = nn.Linear(2, 1); optimizer = AdamW(model, FitSettings())\n"
        "model(torch.ones(1, 2)).sum().backward(); optimizer.step(1.0); optimizer.zero_grad()\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "assert not {'ray', 'optuna', 'mlflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_parameters_that_get_their_gradient_later_are_updated_apart(make_model) -> None:
    """The reference is torch's optimizer, which counts the steps of each parameter."""
    ours, theirs = make_model(), make_model()
    optimizer = AdamW(ours, FitSettings(lr=0.02, weight_decay=0.1))
    groups = [
        {"params": [p for p in theirs.parameters() if (p.ndim > 1) == decays], "weight_decay": 0.1 * decays}
        for decays in (True, False)
    ]
    reference = torch.optim.AdamW(groups, lr=0.02, fused=True)
    generator = torch.Generator().manual_seed(0)
    for step in range(5):
        for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            missing = step < 2 and name.startswith("head.")
            one.grad = None if missing else torch.randn(one.shape, generator=generator)
            other.grad = None if one.grad is None else one.grad.clone()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.7)
        optimizer.step(1.0, clip_norm=0.7)
        reference.step()
        if step == 3:
            state = {name: tensor.clone() for name, tensor in optimizer.tensors().items()}
            assert state["step.head.bias"] == 2 and state["step.hypernet.bias"] == 4
            optimizer.load(state)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_channels_last_weights_keep_their_layout() -> None:
    ours, theirs = (torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    optimizer = AdamW(ours, FitSettings(lr=0.02, weight_decay=0.0))
    assert ours.weight.is_contiguous(memory_format=torch.channels_last) and torch.equal(ours.weight, theirs.weight)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.02, weight_decay=0.0, fused=True)
    x = torch.randn(2, 3, 6, 6)
    for _ in range(3):
        for model in (ours, theirs):
            model.zero_grad()
            model(x).square().mean().backward()
        optimizer.step(1.0)
        reference.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
