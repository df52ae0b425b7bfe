"""keyphrase-mpnet-v1, the prompt encoder that the paper takes from Wu et al. (arXiv 2303.15422)."""

from functools import cached_property
from pathlib import Path

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import resolve_folder
from models.encoders.registry import register_encoder
from models.encoders.sentence_encoder import SentenceEncoder


@register_encoder("prompt")
def keyphrase_mpnet() -> PromptEncoder:
    """keyphrase-mpnet-v1: 768 values, mean-pooled; reads up to 128 tokens."""
    return KeyphraseMPNet()


class KeyphraseMPNet(SentenceEncoder):
    """Embedding of a prompt by a model of phrases.

    Its own limit of 12 tokens, enough for a phrase, would cut about half of AGIQA-3K's prompts.
    """

    pooling = "mean"
    max_tokens = 128

    def __init__(self) -> None:
        self.name = "keyphrase_mpnet"

    @cached_property
    def folder(self) -> Path:
        """The user's, or the hub's."""
        return resolve_folder(self.name, self.name, "uclanlp/keyphrase-mpnet-v1")
