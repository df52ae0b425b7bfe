"""Image-aware prompt embedding without a network of its own (ConSE: Norouzi et al., ICLR 2014)."""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import version

import torch
import torch.nn.functional as F
from torch import Tensor

from models.cache_folder import cache_dir
from models.encoders.base import ComposedEncoder
from models.encoders.minilm import MiniLM
from models.encoders.registry import register_encoder

_TOP = 10


@register_encoder("image_prompt", default=True)
def conse() -> ComposedEncoder:
    """Return the encoder that compares the image's most probable classes, as an embedding of words, with the prompt.

    Example:
        >>> conse().needs
        ('image.level4', 'image.probs', 'prompt.embedding')
    """
    return ConSE()


class ConSE(ComposedEncoder):
    """Comparison of the image's ten most probable ImageNet classes with the prompt.

    The ten probabilities, scaled to sum to 1, weight the `minilm` embeddings of the classes' names. `embedding`
    concatenates four parts:

    - the image's pooled features, that is the head's channels
    - the weighted mean of the class embeddings, with length 1
    - its product with the prompt's embedding, element by element
    - the cosine of the two

    Example:
        >>> ConSE().shapes_for({"level4": (1280, 1, 1), "probs": (1000,)}, {"embedding": (384,)})
        {'embedding': (2049,)}
    """

    def __init__(self) -> None:
        self.name = "conse"
        self.needs = ("image.level4", "image.probs", "prompt.embedding")
        self._words = MiniLM()

    @property
    def identity(self) -> str:
        """Name, source of the class names, and hash of the weights that embed them."""
        # torchvision's version stands for its class names, because importing it takes seconds.
        names = f"names torchvision {version('torchvision')}"
        return f"{self.name}; arrays 1; top {_TOP}; {names}; {self._words.identity}"

    def shapes_for(
        self, image: Mapping[str, tuple[int, ...]], prompt: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        """Return the shape of `embedding`, (pooled features + 2 · 384 + 1,).

        Raises:
            ValueError: The image encoder returns no class probabilities, or prompts are not encoded by minilm.
        """
        (width,) = self._words.shapes["embedding"]
        if "probs" not in image:
            raise ValueError("conse needs an image encoder that returns ImageNet class probabilities")
        if prompt["embedding"] != (width,):
            raise ValueError("conse compares with the prompt embeddings of minilm; choose minilm for prompts")
        return {"embedding": (image["level4"][0] + 2 * width + 1,)}

    @torch.inference_mode()
    def compose(self, image: Mapping[str, Tensor], prompt: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return `embedding` (B, D), float32, of `level4`, `probs` and the prompt's `embedding`, row by row."""
        probability, index = image["probs"].float().topk(_TOP, 1)
        weights = probability / probability.sum(1, keepdim=True)
        mix = F.normalize(torch.einsum("bk,bkd->bd", weights, self._classes[index]), dim=1)
        embedding = prompt["embedding"].float()
        product = mix * F.normalize(embedding, dim=1)
        parts = [image["level4"].float().flatten(1), mix, product, product.sum(1, keepdim=True)]
        return {"embedding": torch.cat(parts, 1)}

    @cached_property
    def _classes(self) -> Tensor:
        """Embeddings (1000, 384) of the class names, kept in the cache folder.

        To compute them takes seconds: a thousand names are encoded, and torchvision, which has them, is imported.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save

        name = hashlib.sha256(self.identity.encode()).hexdigest()
        file = cache_dir() / "class_embeddings" / f"{name}.safetensors"
        with suppress(OSError, SafetensorError, KeyError):  # missing or damaged
            return load_file(file)["embedding"]
        embedding = self._words.encode(class_names())["embedding"].contiguous()
        with suppress(OSError):  # without a cache they are computed every time
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f"{name}.{os.getpid()}.partial")
            draft.write_bytes(save({"embedding": embedding}))
            draft.replace(file)
        return embedding


@cache
def class_names() -> tuple[str, ...]:
    """Return the names of the 1000 ImageNet classes in their usual order.

    Example:
        >>> class_names()[:2]
        ('tench', 'goldfish')
    """
    from torchvision.models import EfficientNet_B0_Weights

    return tuple(EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])
