"""Construction of modules whose shapes alone are wanted: parameters have no memory and no values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def without_memory() -> Iterator[None]:
    """Build modules on the meta device and skip their initialisation by `torch.nn.init`.

    On that device, initialisation would import `torch._dynamo`, which takes seconds.

    Example:
        >>> with without_memory():
        ...     layer = torch.nn.Linear(10**6, 10**6)
        >>> sum(parameter.numel() for parameter in layer.parameters())
        1000001000000
    """
    with torch.device("meta"), _WithoutInitialisation():
        yield


_FILLS = (torch.Tensor.normal_, torch.Tensor.uniform_)
"""Methods that some functions of `torch.nn.init` call before any override of theirs is asked."""


class _WithoutInitialisation(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the tensor of an initialisation as it is, and call every other function."""
        kwargs = kwargs or {}
        if func in _FILLS or getattr(func, "__module__", None) == torch.nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)
