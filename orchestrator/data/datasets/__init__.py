"""Data sets, one file each; importing this package registers them all."""

from models.name_registry import import_submodules

import_submodules(__name__, __path__)
