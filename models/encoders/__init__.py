"""Frozen feature extractors: one file each, found by name, run once for each data set."""

from models.encoders.base import (
    ComposedEncoder,
    Encoder,
    ImageEncoder,
    ImagePromptEncoder,
    JointEncoder,
    PromptEncoder,
)
from models.encoders.pretrained import MissingWeightsError
from models.encoders.registry import build_encoder, default_encoder, list_encoders, register_encoder

# Imported for their registration; the first of each kind is that kind's default.
from models.encoders.efficientnet_lite0 import efficientnet_lite0  # isort: skip
from models.encoders.resnet50 import resnet50  # isort: skip
from models.encoders.timm_network import timm  # isort: skip
from models.encoders.minilm import minilm  # isort: skip
from models.encoders.keyphrase_mpnet import keyphrase_mpnet  # isort: skip
from models.encoders.llm_embedder import llm_embedder  # isort: skip
from models.encoders.hub_sentence import sentence  # isort: skip
from models.encoders.conse import conse  # isort: skip
from models.encoders.blip import blip  # isort: skip

__all__ = [
    "ComposedEncoder",
    "Encoder",
    "ImageEncoder",
    "ImagePromptEncoder",
    "JointEncoder",
    "MissingWeightsError",
    "PromptEncoder",
    "blip",
    "build_encoder",
    "conse",
    "default_encoder",
    "efficientnet_lite0",
    "keyphrase_mpnet",
    "list_encoders",
    "llm_embedder",
    "minilm",
    "register_encoder",
    "resnet50",
    "sentence",
    "timm",
]
