"""The registry of losses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

from torch import Tensor

from orchestrator.core.lookup import look_up
from orchestrator.training.losses.batch import LossBatch

# One target's predictions (B,) in standardised score units, and the batch they are of → a scalar.
Loss = Callable[[Tensor, LossBatch], Tensor]


@dataclass(frozen=True)
class RegisteredLoss:
    """A loss under its name; `needs_std` where it reads `LossBatch.std`."""

    name: str
    function: Loss
    needs_std: bool


_LOSSES: dict[str, RegisteredLoss] = {}


@overload
def register_loss(loss: Loss) -> Loss: ...


@overload
def register_loss(*, needs_std: bool) -> Callable[[Loss], Loss]: ...


def register_loss(loss: Loss | None = None, *, needs_std: bool = False) -> Loss | Callable[[Loss], Loss]:
    """Register a function under its own name; `@register_loss(needs_std=True)` where it reads the raters' std."""

    def register(function: Loss) -> Loss:
        _LOSSES[function.__name__] = RegisteredLoss(function.__name__, function, needs_std)
        return function

    return register if loss is None else register(loss)


def list_losses() -> list[str]:
    """The names that `build_loss` knows, sorted."""
    return sorted(_LOSSES)


def registered_loss(name: str) -> RegisteredLoss:
    """The loss of that name; raises InputError, naming near matches, where there is none."""
    return look_up("loss", name, _LOSSES)
