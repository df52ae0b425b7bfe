"""Prompt encoder LLM-Embedder, which the paper takes from Zhang et al. (arXiv 2310.07554)."""

from functools import cached_property
from pathlib import Path

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import resolve_folder
from models.encoders.registry import register_encoder
from models.encoders.sentence_encoder import SentenceEncoder


@register_encoder("prompt")
def llm_embedder() -> PromptEncoder:
    """Return LLM-Embedder: 768 values, the [CLS] token's, of length 1.

    The last example downloads weights from the Hugging Face hub, so it is skipped in tests.

    Example:
        >>> llm_embedder().name
        'llm_embedder'
        >>> llm_embedder().encode(["a red fox"])["embedding"].shape  # doctest: +SKIP
        torch.Size([1, 768])
    """
    return LLMEmbedder()


class LLMEmbedder(SentenceEncoder):
    """Embedding of a prompt as a query of the task "qa", with the instruction of that task.

    Example:
        >>> LLMEmbedder().instruction
        'Represent this query for retrieving relevant documents: '
    """

    pooling = "cls"
    instruction = "Represent this query for retrieving relevant documents: "
    unit_length = True

    def __init__(self) -> None:
        self.name = "llm_embedder"

    @cached_property
    def folder(self) -> Path:
        """Folder of the model, in `$HYPERASSESS_WEIGHTS` or in the hub's cache."""
        return resolve_folder(self.name, self.name, "BAAI/llm-embedder")
