"""Names of metrics, parameters and tags in MLflow, which allows fewer characters than people's tables have."""

from __future__ import annotations

import re

LONGEST = 250
"""Largest number of characters of a name in MLflow."""

ALLOWED = "letters, digits, blanks and the characters _ - . :"


def mlflow_name(name: str) -> str:
    """Return a name with `_` for each character that MLflow does not allow, at most 250 characters long.

    Example:
        >>> mlflow_name("val_srcc_Qualität (%)")
        'val_srcc_Qualität ___'
    """
    return re.sub(r"[^\w.\- :]", "_", name)[:LONGEST]
