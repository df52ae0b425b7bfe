"""Look-ups of names that users type: an unknown name is an InputError with near matches."""

from __future__ import annotations

from typing import TypeVar

from models.name_registry import Registry
from models.unknown_name import UnknownNameError, unknown_name_message
from orchestrator.core.errors import InputError

__all__ = ["look_up", "unknown_name_message"]

T = TypeVar("T")


def look_up(registry: Registry[T], name: str) -> T:
    """Return the value that is registered under a name.

    Raises:
        InputError: The name is not registered; the message lists near matches or, if there are none, all names.
    """
    try:
        return registry.get(name)
    except UnknownNameError as error:
        raise InputError(str(error)) from error
