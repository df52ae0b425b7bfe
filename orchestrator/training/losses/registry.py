"""The registry of losses, and mixes of them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from orchestrator.errors import InputError
from orchestrator.naming import look_up

# Predictions and targets (B, T) in standardised score units, and the rows' prompt ids (B,) → a scalar.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

_LOSSES: dict[str, Loss] = {}


def register_loss(loss: Loss) -> Loss:
    """Register a function under its own name."""
    _LOSSES[loss.__name__] = loss
    return loss


def list_losses() -> list[str]:
    """The names that `build_loss` knows, sorted."""
    return sorted(_LOSSES)


@dataclass(frozen=True)
class MixedLoss:
    """A weighted sum of registered losses."""

    terms: tuple[tuple[float, Loss], ...]

    def __call__(self, prediction: Tensor, target: Tensor, prompt_ids: Tensor) -> Tensor:
        """Predictions and targets (B, T) with prompt ids (B,) → a scalar."""
        weight, loss = self.terms[0]
        total = weight * loss(prediction, target, prompt_ids)
        for weight, loss in self.terms[1:]:
            total = total + weight * loss(prediction, target, prompt_ids)
        return total


def build_loss(mix: str) -> MixedLoss:
    """Read a mix such as `huber`, `huber+0.3*rank` or `0.5*l1 + 0.5*mse`.

    Raises:
        InputError: a name is unknown (near matches are named) or a weight is no number above 0.
    """
    return MixedLoss(tuple(_term(part.strip(), mix) for part in mix.split("+")))


def _term(part: str, mix: str) -> tuple[float, Loss]:
    weight_text, star, name = part.rpartition("*")
    name = name.strip()
    loss = look_up("loss", name, _LOSSES)
    try:
        weight = float(weight_text) if star else 1.0
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InputError(f"loss {mix!r}: the weight of {name} must be a number above 0, as in 0.3*{name}.")
    return weight, loss
