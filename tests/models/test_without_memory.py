"""Modules that are built for their shapes alone."""

import subprocess
import sys

import torch
from torch import nn

from models.without_memory import without_memory


def test_parameters_have_shapes_and_no_memory():
    with without_memory():
        layer = nn.Linear(3, 2)
        nn.init.normal_(layer.weight, std=0.1)
        nn.init.zeros_(tensor=layer.bias)
    assert layer.weight.shape == (2, 3) and layer.weight.is_meta and layer.bias.is_meta
    assert not nn.Linear(3, 2).weight.is_meta


def test_initialisation_is_as_before_afterwards():
    with without_memory():
        pass
    assert torch.equal(nn.init.constant_(torch.zeros(2), 3.0), torch.full((2,), 3.0))


def test_variants_and_encoders_are_counted_without_importing_dynamo():
    code = """
import sys
from models import build_variant
from models.encoders import build_encoder
from models.without_memory import without_memory
shapes = {f"image.{name}": shape for name, shape in build_encoder("efficientnet_lite0").shapes.items()}
shapes |= {"prompt.embedding": (384,), "image_prompt.embedding": (2000,)}
for variant in ("text_hyper", "image_hyper", "hybrid_hyper"):
    with without_memory():
        build_variant(variant, shapes, 1, widths=[8])
assert "torch._dynamo" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
