"""Datasets, splits and the feature store.

Names are loaded on first use, so that importing this package costs neither pandas nor torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.data.cache_folder import cache_dir
    from orchestrator.data.dataset import Dataset, Quarantine
    from orchestrator.data.decode_image import open_image
    from orchestrator.data.feature_set import FeatureSet
    from orchestrator.data.feature_store import FeatureStore
    from orchestrator.data.registry import list_datasets, load_dataset, register_dataset
    from orchestrator.data.splits import Split, check_searchable, list_protocols, load_split, make_split, save_split

__all__ = [
    "Dataset",
    "FeatureSet",
    "FeatureStore",
    "Quarantine",
    "Split",
    "cache_dir",
    "check_searchable",
    "list_datasets",
    "list_protocols",
    "load_dataset",
    "load_split",
    "make_split",
    "open_image",
    "register_dataset",
    "save_split",
]

_HOME = {
    "Dataset": "dataset",
    "FeatureSet": "feature_set",
    "FeatureStore": "feature_store",
    "Quarantine": "dataset",
    "Split": "splits",
    "cache_dir": "cache_folder",
    "check_searchable": "splits",
    "list_datasets": "registry",
    "list_protocols": "splits",
    "load_dataset": "registry",
    "load_split": "splits",
    "make_split": "splits",
    "open_image": "decode_image",
    "register_dataset": "registry",
    "save_split": "splits",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
