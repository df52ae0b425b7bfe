"""Losses on standardised scores: one file each, mixed by name as in `huber+0.3*rank`.

Importing this package imports every module in it, and so registers every loss.
"""

from models.name_registry import import_submodules
from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.mix import MixedLoss, build_loss
from orchestrator.training.losses.registry import Loss, list_losses, register_loss

import_submodules(__name__, __path__)

__all__ = ["Loss", "LossBatch", "MixedLoss", "build_loss", "list_losses", "register_loss"]
