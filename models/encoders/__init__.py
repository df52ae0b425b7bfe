"""Frozen feature extractors: one file each, looked up by name, run once for each data set.

Importing this package imports every module in it, and so registers every encoder.
"""

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
from models.name_registry import import_submodules

import_submodules(__name__, __path__)

__all__ = [
    "ComposedEncoder",
    "Encoder",
    "ImageEncoder",
    "ImagePromptEncoder",
    "JointEncoder",
    "MissingWeightsError",
    "PromptEncoder",
    "build_encoder",
    "default_encoder",
    "list_encoders",
    "register_encoder",
]
