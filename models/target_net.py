"""Target network: a small fully connected net, some or all of whose weights a hypernet generates."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from models.dropout import Dropout
from models.generated_layer import GeneratedLayer
from models.input_parts import LayerInput, join, linear
from models.unknown_name import UnknownNameError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class TargetNet(nn.Module):
    """Fully connected layers with an activation after each but the last.

    A layer computes W₀x + b₀ + ΔWx + Δb: static weights θ₀, if there are any, plus weights generated for the
    sample, if there are any. Samples run together as batched matrix products.

    Args:
        sizes: Width of the input, of every hidden layer, and of the output.
        static: Whether there are static weights θ₀; without them all weights must be generated.
        activation: One of `ACTIVATIONS`.
        dropout: Probability of dropping a hidden value in training, in [0, 1). A sequence sets the probability of each
            of the first hidden layers; the others have 0.
        initial_std: Standard deviation of the initial static weights, with biases of 0; 0 for PyTorch's own
            initialisation.

    Raises:
        ValueError: a width is below 1 or the activation is unknown.

    Example:
        >>> TargetNet([16, 8, 2])(torch.zeros(5, 16)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        static: bool = True,
        activation: str = "gelu",
        dropout: float | Sequence[float] = 0.0,
        initial_std: float = 0.0,
    ) -> None:
        super().__init__()
        if any(size < 1 for size in sizes):
            raise ValueError(f"widths of a target net are at least 1, got {list(sizes)}")
        if activation not in ACTIVATIONS:
            raise UnknownNameError("activation", activation, ACTIVATIONS)
        self.layers = tuple(pairwise(sizes))
        self.static = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in self.layers if static)
        self.activation = ACTIVATIONS[activation]()
        hidden = len(self.layers) - 1
        rates = [dropout] * hidden if isinstance(dropout, int | float) else [*dropout, *[0.0] * hidden][:hidden]
        self.dropouts = nn.ModuleList(Dropout(rate) for rate in rates)
        if initial_std:
            for layer in self.static:
                nn.init.normal_(layer.weight, std=initial_std)  # type: ignore[arg-type]
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: LayerInput, generated: Sequence[GeneratedLayer] | None = None) -> Tensor:
        """Run the net.

        Args:
            x: Input (B, sizes[0]), or its parts in order.
            generated: The hypernet's output for each layer; None for the static net alone.

        Returns:
            (B, sizes[-1]).

        Raises:
            ValueError: nothing is generated for a net without static weights.
        """
        if generated is None and not self.static:
            raise ValueError("a target net without static weights needs generated ones")
        for index in range(len(self.layers)):
            if index:
                x = self.dropouts[index - 1](self.activation(x))
            parts = []
            if self.static:
                layer = cast("nn.Linear", self.static[index])
                parts.append(linear(x, layer.weight, layer.bias))
            if generated is not None:
                parts.append(generated[index].apply(x))
            x = parts[0] if len(parts) == 1 else torch.add(*parts)
        return join(x)
