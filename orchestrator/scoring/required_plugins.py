"""Plug-ins that a saved model needs: named when it is saved, compared with the loaded ones before it is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.core.plugins import distribution_of, is_loaded
from orchestrator.scoring.model_config import ModelConfig, ModelLoadError

if TYPE_CHECKING:
    from models.name_registry import Registry


def name_plugins(config: ModelConfig) -> ModelConfig:
    """Return the configuration with the plug-ins that its variant and its encoders are from.

    Example:
        >>> config = ModelConfig("text_hyper", {}, ("alignment",), (3.0,), (1.0,), {}, {}, {})
        >>> name_plugins(config).plugins
        {}
    """
    modules = {registry.plugin_of(name) for registry, name in _names(config) if name in registry}
    return replace(config, plugins={module: distribution_of(module) for module in sorted(filter(None, modules))})


def check_plugins(config: ModelConfig) -> None:
    """Raise ModelLoadError unless every plug-in that a saved model names is loaded.

    No module is imported because a model names it: only those that `--plugin` or an entry point brought count.

    Example:
        >>> config = ModelConfig("fox_hyper", {}, ("alignment",), (3.0,), (1.0,), {}, {}, {}, plugins={"foxes": ""})
        >>> check_plugins(config)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        orchestrator.scoring.model_config.ModelLoadError: The model needs the plug-in foxes, ...
    """
    notes = []
    for registry, name in _names(config):
        if name not in registry:  # looking it up has loaded the plug-ins that are installed
            notes += [registry.failures()] if registry.failures() else []
    for module, distribution in config.plugins.items():
        if is_loaded(module):
            continue
        if distribution:
            source = f"pip install {distribution.replace(' ', '==')}, or give --plugin {module} if it is installed"
        else:
            source = f"give --plugin {module} in the folder that holds its file"
        raise ModelLoadError(
            " ".join([f"The model needs the plug-in {module}, which is not loaded: {source}.", *notes])
        )


def _names(config: ModelConfig) -> list[tuple[Registry[object], str]]:
    """Return what the model is built of: registry and name of its variant and its encoders."""
    from models.encoders.registry import ENCODERS, bare_name
    from models.registry import VARIANTS

    variants = [config.variant, *([str(config.parameters["of"])] if "of" in config.parameters else [])]
    encoders = [bare_name(name) for name in config.encoders.values()]
    return [*((VARIANTS, name) for name in variants), *((ENCODERS, name) for name in encoders)]  # type: ignore[list-item]
