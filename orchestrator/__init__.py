"""Distributed hyperparameter searches over hypernetworks that score AI-generated images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.module_shadowing import put_project_first

put_project_first()

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from orchestrator.core.errors import InputError
    from orchestrator.python_api.callbacks import Callback
    from orchestrator.python_api.sweep import Sweep
    from orchestrator.scoring import Scorer
    from orchestrator.sweeps.interruption_errors import SweepStopped

__version__ = "0.1.0"

__all__ = [
    "Callback",
    "InputError",
    "Sweep",
    "SweepStopped",
    "__version__",
    "list_variants",
    "load_scorer",
    "load_sweep",
    "run_sweep",
]

_HOME = {
    "Callback": "python_api.callbacks",
    "InputError": "core.errors",
    "Sweep": "python_api.sweep",
    "SweepStopped": "sweeps.interruption_errors",
}
"""Class that this package offers → module that defines it, loaded on first use."""


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def run_sweep(
    *,
    out: str | Path = "sweeps",
    callbacks: Iterable[object] = (),
    quiet: bool = False,
    allow_changed: bool = False,
    **settings: object,
) -> Sweep:
    """Search a variant's learning rates and target-net sizes, confirm the best on test, and return the sweep.

    The settings have the names, defaults and checks of `python -m orchestrator.sweep --help`, with `_` for `-`. Some
    take Python values as well. `dataset` takes a DataFrame with the columns of a CSV data set. Relative paths of its
    images begin in the working folder unless `data_root` names another. `enqueue` takes a list of configurations, such
    as `[earlier.best_params]`, and `space` a mapping. `columns` and `retries` take mappings, and names take lists.

    An unfinished sweep of the same name is resumed, a finished one is returned. Logging, signal handlers, environment,
    standard streams and working folder are afterwards as they were. A Ray session that the program has started is used
    and left running. The first Ctrl-C ends the sweep after the running epochs, the second at once; both raise
    KeyboardInterrupt.

    Args:
        out: folder of the sweeps.
        callbacks: objects with any of the methods of `Callback`.
        quiet: show no progress and no result.
        allow_changed: resume although code, data or space changed.
        settings: settings of the sweep.

    Raises:
        InputError: a setting is wrong, or the sweep cannot run here.
        SweepStopped: the sweep stopped itself, for instance because the disk is full; it can be resumed.
        KeyboardInterrupt: it was interrupted; it can be resumed.

    Example:
        >>> run_sweep(variant="text_hyper", epocs=24)
        Traceback (most recent call last):
        orchestrator.core.errors.InputError: Unknown setting 'epocs': did you mean epochs?
        >>> result = run_sweep(variant="text_hyper", dataset="csv:ratings.csv", trials=24)  # doctest: +SKIP
        >>> result.trials.sort_values("objective").tail()  # doctest: +SKIP
    """
    from pathlib import Path

    from orchestrator.python_api.run_sweep import run_sweep as run

    return run(settings, Path(out), callbacks, quiet, allow_changed)


def load_sweep(name: str | Path, out: str | Path = "sweeps") -> Sweep:
    """Load a sweep that is on disk, whether it is finished, interrupted or running; `refresh` reads it again.

    Args:
        name: name, id or folder of the sweep.
        out: folder of the sweeps.

    Raises:
        InputError: there is no such sweep, it is archived, or it cannot be read.

    Example:
        >>> load_sweep("no-such-sweep")
        Traceback (most recent call last):
        orchestrator.core.errors.InputError: There are no sweeps in sweeps.
        >>> load_sweep("text_hyper-ratings").best_params  # doctest: +SKIP
    """
    from pathlib import Path

    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.python_api.sweep import Sweep

    return Sweep(find_sweep(str(name), Path(out)))


def list_variants(plugins: Sequence[str] = ()) -> list[str]:
    """Return the names of the variants that a sweep can search, those of installed plug-ins included.

    Args:
        plugins: modules that register further variants.

    Raises:
        InputError: a plug-in is missing.

    Example:
        >>> "text_hyper" in list_variants()
        True
    """
    from models import list_variants as registered
    from orchestrator.core.plugins import load_plugins

    load_plugins(plugins)
    return registered()


def load_scorer(
    model: str,
    tracking_uri: str | None = None,
    sweeps: str = "sweeps",
    device: str = "cpu",
    plugins: Sequence[str] = (),
) -> Scorer:
    """Load a trained model; calling it on images and prompts returns a DataFrame with their scores.

    The last example needs a registered model in MLflow, so it is skipped in tests.

    Args:
        model: `NAME@ALIAS`, `NAME/VERSION`, the id of an MLflow run, a sweep, a saved model's folder, or an exported
            folder or `.zip`.
        tracking_uri: tracking URI of MLflow; by default MLFLOW_TRACKING_URI, or else `mlflow.db` in the working folder.
        sweeps: folder of the sweeps.
        device: device that the model runs on.
        plugins: modules that register the model's variant or encoders; installed plug-ins are found without it.

    Raises:
        InputError: there is no such model, a plug-in is missing, or the model cannot be trusted or used on this
            machine; the message contains the reason.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from models import build_variant
        >>> from models.encoders import build_encoder
        >>> from orchestrator.scoring import ModelConfig, save_scorer
        >>> encoder = build_encoder("efficientnet_lite0@64")
        >>> shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
        >>> parameters = {"widths": [8], "distortion_widths": [0, 0, 0, 8]}
        >>> config = ModelConfig(
        ...     variant="image_hyper",
        ...     parameters=parameters,
        ...     targets=("quality",),
        ...     score_mean=(3.0,),
        ...     score_std=(1.0,),
        ...     encoders={"image": encoder.name},
        ...     encoder_identities={"image": encoder.identity},
        ...     shapes=shapes,
        ... )
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_scorer(folder, config, build_variant("image_hyper", shapes, **parameters))
        >>> table = load_scorer(str(folder))([np.zeros((64, 64, 3), np.uint8)], "a red fox")
        >>> table.columns.tolist()
        ['image', 'prompt', 'quality', 'reason']
        >>> load_scorer("text_hyper@champion")(["fox1.png", "fox2.png"], "a red fox in snow")  # doctest: +SKIP
    """
    from pathlib import Path

    from orchestrator.core.plugins import load_plugins
    from orchestrator.registry.resolve import load_found, resolve_model

    load_plugins(plugins)
    with resolve_model(str(model), Path(sweeps), tracking_uri) as found:
        return load_found(found, device)
