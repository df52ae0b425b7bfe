"""Models of sentence-transformers, by folder or by id on the Hugging Face hub."""

from functools import cached_property
from pathlib import Path

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import resolve_folder, weight_files
from models.encoders.registry import register_encoder
from models.encoders.sentence_encoder import SentenceEncoder


@register_encoder("prompt", argument="ID")
def sentence(source: str) -> PromptEncoder:
    """Return the model in a folder, or with that id on the hub, with its own pooling, limit and normalisation.

    The last example downloads weights from the Hugging Face hub, so it is skipped in tests.

    Example:
        >>> encoder = sentence("sentence-transformers/all-mpnet-base-v2")
        >>> encoder.name
        'sentence:sentence-transformers/all-mpnet-base-v2'
        >>> encoder.encode(["a red fox"])["embedding"].shape  # doctest: +SKIP
        torch.Size([1, 768])
    """
    return Sentence(source)


class Sentence(SentenceEncoder):
    """Model of sentence-transformers with the settings of its own folder.

    Args:
        source: A folder; if it does not exist, an id such as `sentence-transformers/all-mpnet-base-v2`.

    Raises:
        ValueError: `source` can only be a folder, but does not exist, or the folder contains no weights.

    Example:
        >>> Sentence("./missing")
        Traceback (most recent call last):
        ...
        ValueError: sentence:./missing: there is no folder missing
    """

    def __init__(self, source: str) -> None:
        path = Path(source).expanduser()
        self._source = path.absolute() if path.is_dir() else None
        self._hub_id = source
        self.name = f"sentence:{self._source or source}"
        if self._source is None and (path.is_absolute() or source.startswith((".", "~"))):
            raise ValueError(f"{self.name}: there is no folder {path}")
        if self._source is not None and not weight_files(self._source):
            raise ValueError(f"{self.name}: the folder contains no weights (*.safetensors or pytorch_model.bin)")

    @property
    def identity(self) -> str:
        """Identity of a `SentenceEncoder`, without the path of the folder."""
        return super().identity.replace(self.name, "sentence", 1)

    @cached_property
    def folder(self) -> Path:
        """Folder of the model: `source`, or the hub's."""
        return self._source or resolve_folder(self.name, self._hub_id, self._hub_id)
