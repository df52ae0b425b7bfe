"""Models that a sweep trains: variants that score images, and encoders whose features they read.

Names are loaded on first use, so importing this package, `models.name_registry` or `models.unknown_name` does not load
PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.registry import VariantInfo, build_variant, list_variants, variant_info
    from models.scoring_model import ScoringModel
    from models.unknown_name import UnknownNameError

__all__ = [
    "CONTROL",
    "ScoringModel",
    "UnknownNameError",
    "VariantInfo",
    "build_variant",
    "list_variants",
    "variant_info",
]

CONTROL = "plain_head"
"""Name of the variant that a sweep compares its own variant with: the same target net without a hypernet."""

_HOME = {
    "ScoringModel": "scoring_model",
    "UnknownNameError": "unknown_name",
    "VariantInfo": "registry",
    "build_variant": "registry",
    "list_variants": "registry",
    "variant_info": "registry",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
