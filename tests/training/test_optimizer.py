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
