"""Prompt encoder keyphrase-mpnet-v1, which the paper takes from Wu et al. (arXiv 2303.15422)."""

from functools import cached_property
from pathlib import Path

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import resolve_folder
from models.encoders.registry import register_encoder
from models.encoders.sentence_encoder import SentenceEncoder


@register_encoder("prompt")
def keyphrase_mpnet() -> PromptEncoder:
    """Return keyphrase-mpnet-v1: 768 values, mean-pooled, of up to 128 tokens.

    The last example downloads weights from the Hugging Face hub, so it is skipped in tests.

    Example:
        >>> keyphrase_mpnet().name
        'keyphrase_mpnet'
        >>> keyphrase_mpnet().encode(["a red fox"])["embedding"].shape  # doctest: +SKIP
        torch.Size([1, 768])
    """
    return KeyphraseMPNet()


class KeyphraseMPNet(SentenceEncoder):
    """Embedding of a prompt by a model trained on keyphrases.

    The model's own limit of 12 tokens, enough for a phrase, would cut about half of AGIQA-3K's prompts.

    Example:
        >>> encoder = KeyphraseMPNet()
        >>> encoder.pooling, encoder.max_tokens
        ('mean', 128)
    """

    pooling = "mean"
    max_tokens = 128

    def __init__(self) -> None:
        self.name = "keyphrase_mpnet"

    @cached_property
    def folder(self) -> Path:
        """Folder of the model, in `$HYPERASSESS_WEIGHTS` or in the hub's cache."""
        return resolve_folder(self.name, self.name, "uclanlp/keyphrase-mpnet-v1")
