"""One file per system of the paper and per control; importing this package registers them all."""

from models.variants.criteria_hyper import criteria_hyper
from models.variants.hybrid_hyper import hybrid_hyper
from models.variants.image_hyper import image_hyper
from models.variants.image_text_hyper import image_text_hyper
from models.variants.imagereward_head import imagereward_head
from models.variants.plain_head import plain_head
from models.variants.semantic_hyper import semantic_hyper
from models.variants.text_hyper import text_hyper

__all__ = [
    "criteria_hyper",
    "hybrid_hyper",
    "image_hyper",
    "image_text_hyper",
    "imagereward_head",
    "plain_head",
    "semantic_hyper",
    "text_hyper",
]
