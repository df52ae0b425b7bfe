"""Base class of the prompt encoders that run a model of sentence-transformers."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from models.encoders.base import PromptEncoder
from models.encoders.pretrained import sha256, weight_files


class SentenceEncoder(PromptEncoder):
    """Prompt encoder that runs a frozen model of sentence-transformers.

    Attributes:
        pooling: pooling of the tokens to one vector; None for the setting of the model's own folder.
        max_tokens: number of tokens read, instruction included; None for the setting of the folder.
        instruction: text prepended to every prompt.
        unit_length: whether embeddings are normalised to length 1, in addition to the folder's own modules.

    Example:
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("llm_embedder")
        >>> isinstance(encoder, SentenceEncoder), encoder.pooling, encoder.unit_length
        (True, 'cls', True)
    """

    pooling: Literal["mean", "cls"] | None = None
    max_tokens: int | None = None
    instruction: str = ""
    unit_length: bool = False

    @property
    @abstractmethod
    def folder(self) -> Path:
        """Folder of the model; downloaded if it is not on this machine.

        Raises:
            MissingWeightsError: The model is not on this machine and cannot be downloaded.
        """

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:  # type: ignore[override]
        """Shape (D,) of `embedding`, from the model's settings if they contain it, else from the loaded model."""
        if self.pooling:
            return {"embedding": (int(_read(self.folder / "config.json")["hidden_size"]),)}
        width = _width(self.folder) or self._model.encode([""], show_progress_bar=False).shape[1]
        return {"embedding": (int(width),)}

    @property
    def identity(self) -> str:
        """Name, hash of weights, tokenizer and settings, and this class's own settings."""
        settings = (f"{self.pooling or 'own'} pooling", f"{self.max_tokens or 'own'} tokens", f"{self.instruction!r}")
        files = weight_files(self.folder) + _settings(self.folder)
        return f"{self.name}; arrays 1; weights {sha256(*files)}; {', '.join(settings)}; unit {self.unit_length}"

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Return `embedding` (B, D), float32."""
        embedding = self._model.encode(
            [self.instruction + prompt for prompt in prompts],
            convert_to_tensor=True,
            normalize_embeddings=self.unit_length,
            show_progress_bar=False,
        )
        return {"embedding": embedding.float().cpu()}

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]  # it would overwrite the caller's own
        options = {"device": str(self.device), "model_kwargs": {"dtype": torch.float32}}
        model = SentenceTransformer(str(self.folder), local_files_only=True, **options)
        if self.pooling:
            transformer, pooling = model[0], model[1]
            modules = [transformer, type(pooling)(self.shapes["embedding"][0], self.pooling)]
            model = SentenceTransformer(modules=modules, device=str(self.device))
        if self.max_tokens:
            model.max_seq_length = self.max_tokens
        return model


def _settings(folder: Path) -> list[Path]:
    """Return the files of a model's folder, other than the weights, that its output depends on."""
    return sorted(file for suffix in ("*.json", "*.txt", "*.model") for file in folder.rglob(suffix))


def _width(folder: Path) -> int | None:
    """Return the width of the embeddings from the settings of the last module that changes it; None if unknown."""
    modules = _read(folder / "modules.json") or [{"type": "Transformer", "path": ""}]
    for module in reversed(modules):
        kind, own = module["type"].rpartition(".")[2], folder / module["path"]
        if kind in ("Normalize", "Dropout", "LayerNorm"):
            continue
        settings = _read(own / "config.json") or {}
        if kind == "Pooling":
            width = settings.get("embedding_dimension") or settings.get("word_embedding_dimension")
            return width * _modes(settings) if width else None
        return settings.get({"Dense": "out_features", "Transformer": "hidden_size"}.get(kind, ""))
    return None


def _modes(pooling: Mapping[str, Any]) -> int:
    """Return the number of poolings that are concatenated."""
    mode = pooling.get("pooling_mode")
    if mode is not None:
        return 1 if isinstance(mode, str) else len(mode)
    return max(1, sum(value is True for key, value in pooling.items() if key.startswith("pooling_mode_")))


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
