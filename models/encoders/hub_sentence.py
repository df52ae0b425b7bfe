"""Any model of sentence-transformers, by its folder or its id on the Hugging Face hub."""

from functools import cached_property
from pathlib import Path

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import resolve_folder, weight_files
from models.encoders.registry import register_encoder
from models.encoders.sentence_encoder import SentenceEncoder


@register_encoder("prompt", argument="ID")
def sentence(source: str) -> PromptEncoder:
    """The model in a folder, or of that id on the hub, with its own pooling, limit and normalisation."""
    return Sentence(source)


class Sentence(SentenceEncoder):
    """A model as its folder says.

    Args:
        source: A folder; if there is none of that name, an id such as `sentence-transformers/all-mpnet-base-v2`.

    Raises:
        ValueError: What can only be a folder is none, or holds no weights.
    """

    def __init__(self, source: str) -> None:
        path = Path(source).expanduser()
        self._source = path.absolute() if path.is_dir() else None
        self._hub_id = source
        self.name = f"sentence:{self._source or source}"
        if self._source is None and (path.is_absolute() or source.startswith((".", "~"))):
            raise ValueError(f"{self.name}: there is no folder {path}")
        if self._source is not None and not weight_files(self._source):
            raise ValueError(f"{self.name}: the folder holds no weights (*.safetensors or pytorch_model.bin)")

    @property
    def identity(self) -> str:
        """As of every such encoder, but wherever the folder is."""
        return super().identity.replace(self.name, "sentence", 1)

    @cached_property
    def folder(self) -> Path:
        """The one asked for, or the hub's."""
        return self._source or resolve_folder(self.name, self._hub_id, self._hub_id)
