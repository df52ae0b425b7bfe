"""Frozen feature extractors: one file each, found by name, run once for each data set."""

from models.encoders.base import ComposedEncoder, Encoder, ImageEncoder, PromptEncoder
from models.encoders.registry import build_encoder, default_encoder, list_encoders, register_encoder

# Imported for their registration; the first of each kind is that kind's default.
from models.encoders.efficientnet_lite0 import efficientnet_lite0  # isort: skip
from models.encoders.minilm import minilm  # isort: skip
from models.encoders.conse import conse  # isort: skip

__all__ = [
    "ComposedEncoder",
    "Encoder",
    "ImageEncoder",
    "PromptEncoder",
    "build_encoder",
    "conse",
    "default_encoder",
    "efficientnet_lite0",
    "list_encoders",
    "minilm",
    "register_encoder",
]
