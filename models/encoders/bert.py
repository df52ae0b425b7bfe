"""BERT as a sentence encoder: word pieces, a transformer with layer norms after its residuals, the mean of the tokens.

Tokens and sentences are those of sentence-transformers, the layers those of Devlin et al., NAACL 2019. Importing that
library takes seconds, because it imports scikit-learn and, through transformers, `torch._dynamo`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_BATCH = 32


@dataclass(frozen=True)
class BertSentenceModel:
    """Frozen BERT with its tokenizer.

    Attributes:
        tokenizer: tokenizer with the truncation of the model; a batch is padded to its longest text.
        weights: tensors by the names of Hugging Face's checkpoints.
        layers, heads: numbers of layers and of attention heads.
        epsilon: of the layer norms.

    Example:
        >>> BertSentenceModel(tokenizer=None, weights={}, layers=6, heads=12, epsilon=1e-12).layers
        6
    """

    tokenizer: Any
    weights: Mapping[str, Tensor]
    layers: int
    heads: int
    epsilon: float

    @classmethod
    def load(cls, folder: Path, max_tokens: int, device: torch.device) -> "BertSentenceModel":
        """Load `config.json`, `tokenizer.json` and `model.safetensors` of a folder.

        Args:
            folder: the model's folder.
            max_tokens: number of tokens that are read, special ones included.
            device: device of the weights.

        Raises:
            ValueError: the folder has another kind of model.
        """
        import json

        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config["model_type"], config["hidden_act"], config["position_embedding_type"]
        if kind != ("bert", "gelu", "absolute"):
            raise ValueError(f"{folder} has a model of {', '.join(kind)}, not a BERT with gelu and absolute positions")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(max_tokens)
        tokenizer.enable_padding(pad_id=config["pad_token_id"])
        weights = load_file(folder / "model.safetensors", device=str(device))
        sizes = config["num_hidden_layers"], config["num_attention_heads"], config["layer_norm_eps"]
        return cls(tokenizer, {name: weight.float() for name, weight in weights.items()}, *sizes)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings (B, D) of length 1, float32, on the device of the weights."""
        # Texts of similar length together, so that little is padded; in the order of sentence-transformers.
        order = np.argsort([-len(text) for text in texts])
        batches = [self._embed([texts[row] for row in order[i : i + _BATCH]]) for i in range(0, len(order), _BATCH)]
        embeddings = torch.cat(batches)
        return torch.empty_like(embeddings).index_copy_(0, torch.from_numpy(order).to(embeddings.device), embeddings)

    def _embed(self, texts: Sequence[str]) -> Tensor:
        encoded = self.tokenizer.encode_batch([text.strip() for text in texts])
        device = self.weights["embeddings.word_embeddings.weight"].device
        tokens = torch.tensor([one.ids for one in encoded], device=device)
        present = torch.tensor([one.attention_mask for one in encoded], device=device)
        x = self._layers_of(tokens, None if bool(present.all()) else present[:, None, None].bool())
        mask = present.unsqueeze(-1).to(x.dtype)
        # Twice, as the model's last module and then sentence-transformers do, so that no bit differs.
        return F.normalize(F.normalize((x * mask).sum(1) / mask.sum(1)))

    def _layers_of(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Return the last hidden states (B, L, D) of tokens (B, L); mask (B, 1, 1, L) is True for texts' own tokens."""
        weights, embeddings = self.weights, "embeddings"
        x = F.embedding(tokens, weights[f"{embeddings}.word_embeddings.weight"])
        x = x + weights[f"{embeddings}.token_type_embeddings.weight"][0]
        x = x + weights[f"{embeddings}.position_embeddings.weight"][: tokens.shape[1]]
        x = self._norm(x, embeddings)
        for number in range(self.layers):
            layer = f"encoder.layer.{number}"
            attended = self._linear(
                self._attention(x, f"{layer}.attention.self", mask), f"{layer}.attention.output.dense"
            )
            x = self._norm(attended + x, f"{layer}.attention.output")
            y = F.gelu(self._linear(x, f"{layer}.intermediate.dense"))
            x = self._norm(self._linear(y, f"{layer}.output.dense") + x, f"{layer}.output")
        return x

    def _attention(self, x: Tensor, name: str, mask: Tensor | None) -> Tensor:
        query, key, value = (
            self._linear(x, f"{name}.{part}").view(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = (self.weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return F.layer_norm(x, weight.shape, weight, bias, self.epsilon)
