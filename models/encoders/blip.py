"""BLIP's image-grounded text encoder (Li et al., ICML 2022), read as ImageReward reads it (Xu et al., NeurIPS 2023)."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.encoders.base import JointEncoder
from models.encoders.preprocessing import CROPPED, to_cropped_pixels
from models.encoders.pretrained import resolve_folder, sha256, weight_files
from models.encoders.registry import register_encoder

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's
_TOKENIZER = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")


@register_encoder("image_prompt")
def blip() -> JointEncoder:
    """Return BLIP's text encoder attending to the image, with ImageReward's preprocessing: 224 pixels, 35 tokens.

    Weights come from the Hugging Face hub or `$HYPERASSESS_WEIGHTS/blip/`, so the last example is skipped in tests.

    Example:
        >>> blip().preprocess(Image.new("RGB", (512, 384))).shape
        (3, 224, 224)
        >>> blip().encode(torch.zeros(2, 3, 224, 224), ["a cat", "a dog"])["embedding"].shape  # doctest: +SKIP
        torch.Size([2, 768])
    """
    return Blip()


class Blip(JointEncoder):
    """Text encoder's output for a prompt's first token, with cross-attention to the image, in eval mode.

    `embedding` is the last hidden state at position 0. The first token remains the tokenizer's [CLS]; ImageReward
    and BLIP's own image-text matching do not replace it with [ENC] either. ImageReward fine-tuned a BLIP with ViT-L/16
    at 224 pixels. These weights are BLIP's own, by default those with ViT-B/16 fine-tuned on COCO at 384 pixels.
    Their position embeddings are interpolated to `size`.

    Args:
        size: Height and width of the input in pixels, a multiple of the checkpoint's patches.
        max_tokens: Number of tokens of a prompt that are read; the rest is cut off.
        hub_id: Id of the weights on the Hugging Face hub, used if `$HYPERASSESS_WEIGHTS/blip/` is missing.

    Example:
        >>> encoder = Blip(size=384)
        >>> encoder.name, encoder.size, encoder.max_tokens
        ('blip', 384, 35)
    """

    def __init__(self, size: int = 224, max_tokens: int = 35, hub_id: str = "Salesforce/blip-itm-base-coco") -> None:
        self.name = "blip"
        self.size = size
        self.max_tokens = max_tokens
        self._hub_id = hub_id
        self._tokenizer_lock = Lock()

    @property
    def identity(self) -> str:
        """Name, hash of weights, settings and tokenizer, and transform."""
        optional = (self._folder / file for file in ("config.json", *_TOKENIZER))
        files = [*weight_files(self._folder), *(file for file in optional if file.is_file())]
        transform = f"{CROPPED}, {self.size}; CLIP's mean; {self.max_tokens} tokens"
        return f"{self.name}; arrays 1; weights {sha256(*files)}; {transform}"

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:  # type: ignore[override]
        """Shape (D,) of `embedding`, from the checkpoint's settings."""
        settings = json.loads((self._folder / "config.json").read_text(encoding="utf-8"))
        return {"embedding": (settings.get("text_config", {}).get("hidden_size", 768),)}

    def preprocess(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels (3, size, size) of the middle of one opened image."""
        return to_cropped_pixels(image, self.size)

    @torch.inference_mode()
    def encode(self, pixels: Tensor, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Return `embedding` (B, D), float32, of pixels (B, 3, size, size), uint8, and B prompts."""
        scaled = (pixels.to(self.device).float() / 255 - self._mean) / self._std
        patches = self._model.vision_model(pixel_values=scaled, interpolate_pos_encoding=True).last_hidden_state
        tokens = self._tokens(prompts)
        states = self._model.text_encoder(
            input_ids=tokens["input_ids"].to(self.device),
            attention_mask=tokens["attention_mask"].to(self.device),
            encoder_hidden_states=patches,
            encoder_attention_mask=torch.ones(patches.shape[:2], dtype=torch.long, device=self.device),
        )
        return {"embedding": states.last_hidden_state[:, 0].float().cpu()}

    def _tokens(self, prompts: Sequence[str]) -> Any:
        with self._tokenizer_lock:  # a tokenizer keeps its padding and truncation as state
            return self._tokenizer(
                list(prompts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
            )

    @cached_property
    def _folder(self) -> Path:
        return resolve_folder(self.name, self.name, self._hub_id)

    @cached_property
    def _model(self) -> Any:
        from transformers import BlipForImageTextRetrieval
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()  # type: ignore[no-untyped-call]  # it would overwrite the caller's own
        model: Any = BlipForImageTextRetrieval.from_pretrained(self._folder, local_files_only=True, dtype=torch.float32)
        return model.eval().to(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self._folder, local_files_only=True)

    @cached_property
    def _mean(self) -> Tensor:
        return torch.tensor(_MEAN, device=self.device).view(3, 1, 1)

    @cached_property
    def _std(self) -> Tensor:
        return torch.tensor(_STD, device=self.device).view(3, 1, 1)
