"""Variants: one file for each system of the paper and each control.

Importing this package imports every module in it, and so registers every variant.
"""

from models.name_registry import import_submodules

import_submodules(__name__, __path__)
