"""Registry of losses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

from torch import Tensor

from models.name_registry import Registry
from orchestrator.core.near_matches import look_up
from orchestrator.training.losses.batch import LossBatch

Loss = Callable[[Tensor, LossBatch], Tensor]
"""Function of one target's predictions (B,) in standardised score units and of their batch; returns a scalar."""


@dataclass(frozen=True)
class RegisteredLoss:
    """A loss under its name.

    Attributes:
        name: Its registered name.
        function: The loss itself.
        needs_std: Whether it reads `LossBatch.std`.

    Example:
        >>> registered_loss("fidelity").needs_std
        True
    """

    name: str
    function: Loss
    needs_std: bool


LOSSES: Registry[RegisteredLoss] = Registry("loss", "orchestrator.training.losses", "hyperassess.losses")
"""All losses; the modules of this package and plug-ins register them."""


@overload
def register_loss(loss: Loss) -> Loss: ...


@overload
def register_loss(*, needs_std: bool) -> Callable[[Loss], Loss]: ...


def register_loss(loss: Loss | None = None, *, needs_std: bool = False) -> Loss | Callable[[Loss], Loss]:
    """Register the decorated function under its own name.

    Args:
        loss: The function, if the decorator is used without arguments.
        needs_std: Whether the loss reads the raters' standard deviations.

    Raises:
        ValueError: The name is registered already.

    Example:
        >>> @register_loss
        ... def quartic(prediction, batch):
        ...     return ((prediction - batch.target) ** 4).mean()
        >>> registered_loss("quartic").function is quartic
        True
        >>> LOSSES.remove("quartic")
    """

    def register(function: Loss) -> Loss:
        entry = RegisteredLoss(function.__name__, function, needs_std)
        LOSSES.add(function.__name__, entry, function.__module__)
        return function

    return register if loss is None else register(loss)


def list_losses() -> list[str]:
    """Return the names that `build_loss` knows, sorted.

    Example:
        >>> "huber" in list_losses()
        True
    """
    return LOSSES.names()


def registered_loss(name: str) -> RegisteredLoss:
    """Return the loss of a name.

    Raises:
        InputError: No loss has that name; the message lists near matches.

    Example:
        >>> registered_loss("hubber")
        Traceback (most recent call last):
        orchestrator.core.errors.InputError: Unknown loss 'hubber': did you mean huber?
    """
    return look_up(LOSSES, name)
