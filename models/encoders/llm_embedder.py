"""LLM-Embedder, the prompt encoder that the paper takes from Zhang et al. (arXiv 2310.07554)."""

from functools import cached_property
from pathlib import Path

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import resolve_folder
from models.encoders.registry import register_encoder
from models.encoders.sentence_encoder import SentenceEncoder


@register_encoder("prompt")
def llm_embedder() -> PromptEncoder:
    """LLM-Embedder: 768 values, the [CLS] token's, of length 1."""
    return LLMEmbedder()


class LLMEmbedder(SentenceEncoder):
    """Embedding of a prompt as a query of the task "qa", by its instruction."""

    pooling = "cls"
    instruction = "Represent this query for retrieving relevant documents: "
    unit_length = True

    def __init__(self) -> None:
        self.name = "llm_embedder"

    @cached_property
    def folder(self) -> Path:
        """The user's, or the hub's."""
        return resolve_folder(self.name, self.name, "BAAI/llm-embedder")
