"""What is trained: variants that score images, and the encoders whose features they read."""

from models.registry import UnknownNameError, VariantInfo, build_variant, list_variants, variant_info
from models.scoring_model import ScoringModel

__all__ = [
    "ScoringModel",
    "UnknownNameError",
    "VariantInfo",
    "build_variant",
    "list_variants",
    "variant_info",
]
