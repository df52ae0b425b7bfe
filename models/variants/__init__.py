"""One file per system of the paper and per control; importing this package registers them all."""

from models.variants.image_hyper import image_hyper
from models.variants.plain_head import plain_head
from models.variants.text_hyper import text_hyper

__all__ = ["image_hyper", "plain_head", "text_hyper"]
