"""Losses on standardised scores: one file each, mixed by name as in `huber+0.3*rank`.

A new loss is a new module here with a function under `@register_loss`; it is found by itself.
"""

from importlib import import_module
from pkgutil import iter_modules

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.mix import MixedLoss, build_loss
from orchestrator.training.losses.registry import Loss, list_losses, register_loss

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

__all__ = ["Loss", "LossBatch", "MixedLoss", "build_loss", "list_losses", "register_loss"]
