"""Image-aware prompt embedding without a network of its own (ConSE: Norouzi et al., ICLR 2014)."""

from collections.abc import Mapping
from functools import cache, cached_property
from importlib.metadata import version

import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoders.base import ComposedEncoder
from models.encoders.minilm import MiniLM
from models.encoders.registry import register_encoder

_TOP = 10


@register_encoder("image_prompt", default=True)
def conse() -> ComposedEncoder:
    """What the image shows, in the prompt's own space, beside what it looks like."""
    return ConSE()


class ConSE(ComposedEncoder):
    """The image's ten most probable ImageNet classes, in words, against the prompt.

    Their probabilities, made to sum to 1, mix the embeddings of the classes' names by `minilm`. `embedding`
    concatenates: the image's pooled features (the head's channels), the mix at length 1, the product of mix
    and prompt embedding element by element, and their cosine.
    """

    def __init__(self) -> None:
        self.name = "conse"
        self.needs = ("image.level4", "image.probs", "prompt.embedding")
        self._words = MiniLM()

    @property
    def identity(self) -> str:
        """Name, where the class names are from, and hash of the weights that embed them."""
        # By torchvision's version, for importing it to read its names takes seconds.
        names = f"names torchvision {version('torchvision')}"
        return f"{self.name}; arrays 1; top {_TOP}; {names}; {self._words.identity}"

    def shapes_for(
        self, image: Mapping[str, tuple[int, ...]], prompt: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """`embedding`: (pooled features + 2 · 384 + 1,).

        Raises:
            ValueError: The image encoder gives no class probabilities, or prompts are not in minilm's space.
        """
        (width,) = self._words.shapes["embedding"]
        if "probs" not in image:
            raise ValueError("conse needs an image encoder that gives ImageNet class probabilities")
        if prompt["embedding"] != (width,):
            raise ValueError("conse compares with the prompt embeddings of minilm; choose minilm for prompts")
        return {"embedding": (image["level4"][0] + 2 * width + 1,)}

    @torch.inference_mode()
    def compose(self, image: Mapping[str, Tensor], prompt: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`embedding` (B, D), float32, of `level4`, `probs` and the prompt's `embedding`, row by row."""
        probability, index = image["probs"].float().topk(_TOP, 1)
        weights = probability / probability.sum(1, keepdim=True)
        mix = F.normalize(torch.einsum("bk,bkd->bd", weights, self._classes[index]), dim=1)
        embedding = prompt["embedding"].float()
        product = mix * F.normalize(embedding, dim=1)
        parts = [image["level4"].float().flatten(1), mix, product, product.sum(1, keepdim=True)]
        return {"embedding": torch.cat(parts, 1)}

    @cached_property
    def _classes(self) -> Tensor:
        return self._words.encode(class_names())["embedding"]


@cache
def class_names() -> tuple[str, ...]:
    """The 1000 ImageNet classes in their usual order, in words."""
    from torchvision.models import EfficientNet_B0_Weights

    return tuple(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])
