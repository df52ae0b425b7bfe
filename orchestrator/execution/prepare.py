"""Preparation of a sweep: look up every name, check the data, read the search space, make the splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models import CONTROL
from orchestrator.core.errors import InputError
from orchestrator.core.names_for_help import registered_names
from orchestrator.core.plugins import NO_PLUGINS, SharedPlugins, load_plugins, share_plugins
from orchestrator.core.spec import SweepSpec
from orchestrator.data.progress import Progress, silent
from orchestrator.execution.check_score_names import check_score_names
from orchestrator.execution.check_space import check_backbone, check_keys, check_models, check_training
from orchestrator.execution.cross_test_set import CrossDataset, extract_cross, prepare_cross_dataset
from orchestrator.execution.sweep_data import check_prompts, check_sweep_data, known_variant, read_sweep_data
from orchestrator.scoring.feature_distribution import FEATURES as DISTANCE_FEATURES
from orchestrator.search.initial_trials import InitialTrials, choose_initial_trials, read_enqueued
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import FINETUNE, SearchSpace, has_space, load_space
from orchestrator.search.space_overrides import override_space

if TYPE_CHECKING:
    from orchestrator.data import Dataset, FeatureSet, Split
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval


@dataclass(frozen=True, eq=False)
class PreparedSweep:
    """A sweep that has passed every check.

    Attributes:
        spec: its settings.
        dataset: checked and read.
        targets: scores that it learns.
        space: of the variant.
        control_space: of the control; None if the variant is the control itself.
        encoders: kind → name.
        reads: features that the variant and its control read.
        splits: by index, 0 for the search and the rest for confirm runs.
        enqueued: configurations of a file that are tried first, as Optuna's flat parameters.
        cross: second data set that confirm runs score, if any.
        plugins: plug-ins that the sweep names or uses.
        overridden: entries of the space that `--set` changed, as `training.lr`; empty for a resumed sweep.
    """

    spec: SweepSpec
    dataset: Dataset
    targets: tuple[str, ...]
    space: SearchSpace
    control_space: SearchSpace | None
    encoders: dict[str, str]
    reads: tuple[str, ...]
    splits: Mapping[int, Split]
    enqueued: tuple[dict[str, Any], ...]
    cross: CrossDataset | None = None
    plugins: SharedPlugins = NO_PLUGINS
    overridden: tuple[str, ...] = ()

    @property
    def control_of(self) -> str | None:
        """Variant that `plain_head` is the control of, if the sweep searches `plain_head` itself."""
        return control_of(self.spec.variant, self.targets, self.space)

    @property
    def finetune(self) -> bool:
        """True if the image encoder is trained with the model."""
        return self.spec.backbone == "finetune"

    def first_trials(self) -> tuple[InitialTrials, list[str]]:
        """Return the first configurations and notes on them; raise InputError as `choose_initial_trials` does."""
        spec = self.spec
        return choose_initial_trials(spec.variant, self.space, self.control_space, self.enqueued, spec.warm_start)

    def identity(self) -> dict[str, Any]:
        """Return what must be equal when a sweep is resumed: code version, data, splits, space."""
        from orchestrator import __version__

        content = {
            "code": __version__,
            "data": self.dataset.data_hash,
            "test_data": self.cross.dataset.data_hash if self.cross else None,
            "splits": {str(index): split.hash for index, split in self.splits.items()},
            "space": self.space.model_dump(mode="json", exclude=None if self.finetune else {"backbone"}),
        }
        # Absent without plug-ins, as in sweeps from before there were any.
        return {**content, "plugins": dict(self.plugins.digests)} if self.plugins.digests else content


def prepare(
    spec: SweepSpec,
    progress: Progress = silent,
    space: SearchSpace | None = None,
    begun: bool = False,
    files_read: Callable[[], None] = lambda: None,
) -> PreparedSweep:
    """Look up every name and read the data.

    Args:
        spec: the settings.
        progress: called while data is generated or verified.
        space: used instead of the spec's, for a sweep that resumes with the space that it began with.
        begun: True if the first trials are in the sweep's folder; their file, which may be gone, is not read again.
        files_read: called once all files are read, before torch is imported and data and models are checked.

    Raises:
        InputError: the first thing that is wrong, in one sentence.
    """
    load_plugins(spec.plugins)
    build_sampler(spec.sampler, spec.seed)
    build_pruner(spec.pruner, spec.epochs)
    if spec.ledger:
        from orchestrator.search.rdb_storage import check_database

        check_database(spec.ledger)
    from orchestrator.data.validate import written_targets

    resumed = space is not None
    own = load_space(spec.space) if spec.space and not resumed else None
    raw = read_sweep_data(spec, progress)
    if spec.targets:
        written_targets(raw, spec.targets)
    space = space or _space(spec, own)
    space = space.finetuning(load_space(FINETUNE)) if spec.backbone == "finetune" else space.frozen()
    space, overridden = (space, ()) if resumed else override_space(space, spec.set)
    enqueued = () if begun else read_enqueued(spec.enqueue, space)
    shipped = {name.partition(":")[0] for name in registered_names("encoder")}
    if shipped >= {name.partition("@")[0].partition(":")[0] for name in spec.encoders}:  # others may be misspelled
        files_read()
    encoders = choose_encoders(spec.encoders)
    dataset, targets = check_sweep_data(spec, raw, progress, new=not resumed)
    if known_variant(spec.variant).all_scores:  # stored, since an earlier version learned the first score only
        spec = spec.model_copy(update={"targets": targets})
    info = known_variant(spec.variant, control_of(spec.variant, targets, space))
    reads = tuple(info.reads)
    check_prompts(spec, dataset, targets, reads)
    check_keys(space, spec, info.parameters)
    check_training(space, spec, dataset, targets)
    check_score_names(targets)
    if spec.backbone == "finetune":
        check_backbone(space, spec, encoders["image"], reads)
    from orchestrator.data import FeatureStore, check_searchable, make_split
    from orchestrator.data.check_scores import check_parts

    if any(name.startswith("criteria.") for name in reads):
        _ = dataset.criteria
    shapes = FeatureStore().shapes(encoders, reads)  # raises now if weights are missing
    if not resumed:
        check_models(space, spec, control_of(spec.variant, targets, space), shapes, len(targets))
    if spec.trials > 1:
        check_searchable(spec.protocol)
    count = spec.splits if spec.confirm else 0
    splits = {index: make_split(dataset, spec.protocol, index) for index in range(count + 1)}
    check_parts(dataset, targets, splits.values())
    return PreparedSweep(
        spec=spec,
        dataset=dataset,
        targets=targets,
        space=space,
        control_space=space.without_hypernet() if info.hypernet_sees else None,
        encoders=encoders,
        reads=reads,
        splits=splits,
        enqueued=enqueued,
        cross=prepare_cross_dataset(spec, dataset, targets, splits, reads, progress),
        plugins=share_plugins(_plugins(spec, encoders, space)),
        overridden=overridden,
    )


def _plugins(spec: SweepSpec, encoders: Mapping[str, str], space: SearchSpace) -> Iterator[str]:
    """Yield the modules of the plug-ins that the sweep names or uses."""
    from models.encoders.registry import encoder_plugin
    from models.registry import VARIANTS
    from orchestrator.data.registry import dataset_plugin
    from orchestrator.training.losses import build_loss
    from orchestrator.training.losses.registry import LOSSES
    from orchestrator.training.settings import FitSettings

    yield from spec.plugins
    corners = [*space.corners(False), *space.corners(True)]
    mixes = {FitSettings.from_dict({**corner.training, "epochs": spec.epochs}).loss for corner in corners}
    losses = {loss.name for mix in mixes for _, loss in build_loss(mix).terms}
    variants = {spec.variant, space.model.get("of", spec.variant)}
    datasets = {spec.dataset, spec.test_dataset or spec.dataset}
    yield from filter(None, (VARIANTS.plugin_of(str(variant)) for variant in variants))
    yield from filter(None, map(encoder_plugin, encoders.values()))
    yield from filter(None, map(dataset_plugin, datasets))
    yield from filter(None, map(LOSSES.plugin_of, losses))


def extract_features(prepared: PreparedSweep, progress: Progress) -> FeatureSet:
    """Return the features that the sweep reads and measures distances in, and to fine-tune the images.

    Missing ones are computed.
    """
    from orchestrator.data import FeatureStore

    store, wanted = FeatureStore(), _wanted(prepared)
    # Arrays that the encoders compute anyway; a plug-in's encoder may lack them.
    given = store.shapes(prepared.encoders, prepared.reads)
    measured = [name for name in DISTANCE_FEATURES.values() if name in given]
    return store.get(prepared.dataset, prepared.encoders, (*wanted, *measured), progress)


def extract_cross_test(prepared: PreparedSweep, progress: Progress) -> CrossDatasetEval | None:
    """Return the same features and the scores of the second data set, if there is one."""
    return extract_cross(prepared.cross, prepared.encoders, _wanted(prepared), progress)


def _wanted(prepared: PreparedSweep) -> tuple[str, ...]:
    from orchestrator.data.feature_store import PIXELS

    return (*prepared.reads, PIXELS) if prepared.finetune else prepared.reads


def control_of(variant: str, targets: tuple[str, ...], space: SearchSpace) -> str | None:
    """Return the variant whose target net `plain_head` has if it is searched by itself: its space's `of`, if any."""
    if variant != CONTROL:
        return None
    named = space.model.get("of")
    return named if isinstance(named, str) else "text_hyper" if targets == ("alignment",) else "image_hyper"


def choose_encoders(given: Iterable[str]) -> dict[str, str]:
    """Return kind → encoder: the given encoder, else the default.

    Raises:
        InputError: an unknown encoder.
    """
    from models.encoders import build_encoder, default_encoder
    from models.encoders.registry import KINDS

    chosen = {kind: default_encoder(kind) for kind in KINDS}
    for name in given:
        try:
            encoder = build_encoder(name)
        except ValueError as error:
            raise InputError(str(error)) from error
        chosen[encoder.kind] = encoder.name
    return {**chosen, "criteria": chosen["prompt"]}


def _space(spec: SweepSpec, own: SearchSpace | None) -> SearchSpace:
    """Return the shipped space, or the user's `own` space completed with the shipped space's defaults."""
    if spec.variant not in registered_names("variant"):  # whose source is read without importing torch
        known_variant(spec.variant)
    if own is None:
        return load_space(spec.variant)
    of = control_of(spec.variant, spec.targets, own)
    if of is None:
        return own.filled_from(load_space(spec.variant)) if has_space(spec.variant) else own
    if of not in registered_names("variant"):
        known_variant(of)
    return own.filled_from(load_space(of).without_hypernet())


def feature_shapes(prepared: PreparedSweep) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the features that the sweep reads, without encoding anything."""
    from orchestrator.data import FeatureStore
    from orchestrator.data.feature_store import PIXELS

    shapes = FeatureStore().shapes(prepared.encoders, prepared.reads)
    if prepared.finetune:
        from models.crops import pixels_for
        from models.encoders import build_encoder

        encoder: Any = build_encoder(prepared.encoders["image"])
        size = pixels_for(encoder.size)
        shapes[PIXELS] = (3, size, size)
    return shapes
