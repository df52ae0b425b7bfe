"""Every registered variant on the arrays of every registered encoder of a kind that it reads, in its shipped space.

A variant or an encoder is found here by being registered. Of an encoder counts what shapes its arrays have; the
values are made, so that it is known what a score depends on.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from models import build_variant, list_variants, variant_info
from models.encoders import Encoder, build_encoder, default_encoder, list_encoders
from models.encoders.registry import KINDS
from models.registry import CONTROL, VariantInfo
from orchestrator.core.errors import InputError
from orchestrator.data import FeatureStore
from orchestrator.scoring import ModelConfig, Scorer, load_scorer, save_scorer
from orchestrator.search.space import Configuration, SearchSpace, load_space
from orchestrator.training import FitSettings, Trainer, TrainingData
from tests.made_weights import COMPLETED

pytestmark = pytest.mark.usefixtures("weights")

ROWS, PER_PROMPT = 1280, 8
EPOCHS = 20
SRCC = 0.9


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several threads, and far slower where the cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def encoder_kind(feature: str) -> str:
    """Return the kind of a feature's encoder; criteria are encoded as prompts are."""
    kind = feature.partition(".")[0]
    return {"criteria": "prompt"}.get(kind, kind)


def system(variant: str) -> tuple[VariantInfo, SearchSpace]:
    """Return a variant and its shipped space; `plain_head` is the control of that space."""
    space = load_space(variant)
    of = space.model.get("of")
    return (variant_info(variant, of) if isinstance(of, str) else variant_info(variant)), space


def names(kind: str) -> list[str]:
    """Return the names of the encoders of a kind, completed if needed."""
    return [COMPLETED.get(name, name) for name in list_encoders(kind)]


ON_A_KIND = [
    (variant, kind)
    for variant in list_variants()
    for kind in sorted({encoder_kind(feature) for feature in system(variant)[0].reads})
]
ON_AN_ENCODER = [(variant, kind, name) for variant, kind in ON_A_KIND for name in names(kind)]


@dataclass(frozen=True)
class Encoded:
    """Encoders by kind, and the shapes of what they give of a variant's features."""

    encoders: dict[str, str]
    shapes: dict[str, tuple[int, ...]]

    @property
    def values(self) -> int:
        """Number of values of a row."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@cache
def built(name: str) -> Encoder:
    return build_encoder(name)


def encode(reads: tuple[str, ...], chosen: Mapping[str, str]) -> Encoded:
    """Return the chosen encoders by kind; for other kinds, the smallest that go with them."""
    store = FeatureStore(build=built)
    found = []
    for mix in itertools.product(*([chosen[kind]] if kind in chosen else names(kind) for kind in KINDS)):
        encoders = dict(zip(KINDS, mix, strict=True))
        encoders["criteria"] = encoders["prompt"]
        try:
            given = store.shapes(encoders, reads)
        except InputError:
            continue  # conse asks for minilm's prompts
        found.append(Encoded(encoders, {feature: given[feature] for feature in reads}))
    assert found, f"{' and '.join(chosen.values())}: goes with no encoders of the other kinds"
    return min(found, key=lambda encoded: encoded.values)


def corners(space: SearchSpace) -> Iterator[Configuration]:
    """Yield the smallest and largest configurations in every mix of categories, each model once."""
    seen = []
    for corner in itertools.chain(space.corners(largest=False), space.corners(largest=True)):
        if corner.model not in seen:
            seen.append(corner.model)
            yield corner


def made(shape: tuple[int, ...], planted: list[Tensor], rows: int, generator: torch.Generator) -> Tensor:
    """Return float16 values (rows, *shape): the planted value of each row over all channels, and noise.

    Places of a map have most of a channel's value in common, as they have in an image.
    """
    channels = 0.3 * torch.randn(rows, shape[0], generator=generator)
    for values in planted:
        channels += values[:, None] * torch.randn(shape[0], generator=generator)
    places = 1 + 0.3 * torch.randn(shape, generator=generator)
    return (channels.reshape(rows, shape[0], *(1 for _ in shape[1:])) * places).half()


def planted_rule(info: VariantInfo, kind: str, encoded: Encoded, rows: int) -> TrainingData:
    """Put the score into the target net's inputs of a kind, and its sign into the hypernet's.

    If the target net has no input of that kind, the score is in all of its inputs. A fifth of the rows validates.
    """
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(rows, generator=generator)
    sign = torch.randn(rows, generator=generator).sign()
    of_kind = [feature for feature in info.target_net_sees if encoder_kind(feature) == kind]
    features = {}
    for feature, shape in encoded.shapes.items():
        planted = [value] if feature in (of_kind or info.target_net_sees) else []
        planted += [sign] if feature in info.hypernet_sees else []
        features[feature] = made(shape, planted, rows, generator)
    score = value * (1 + 2 * sign) if info.hypernet_sees else value
    index = torch.arange(rows)
    validation, train = index[: rows // 5], index[rows // 5 :]
    return TrainingData(features, 3 + score[:, None], ("made",), index // PER_PROMPT, train, validation, index[:0])


def train(variant: str, encoded: Encoded, data: TrainingData, epochs: int) -> tuple[Trainer, ModelConfig]:
    """Train the shipped defaults to the first epoch that is good enough; keep the best epoch's weights."""
    info, space = system(variant)
    chosen = space.configuration(space.default_params())
    torch.manual_seed(0)
    model = build_variant(variant, encoded.shapes, **chosen.model)
    training = Trainer(model, data, FitSettings.from_dict({**chosen.training, "epochs": epochs}))
    while not training.finished and (training.best is None or training.best.result.objective <= SRCC):
        training.run_epoch()
    training.restore_best()
    read = [*info.reads, *getattr(built(encoded.encoders["image_prompt"]), "needs", ())]
    kinds = sorted({feature.partition(".")[0] for feature in read})
    card = ModelConfig(
        variant=variant,
        parameters=chosen.model,
        targets=data.targets,
        score_mean=tuple(training.scale.mean.tolist()),
        score_std=tuple(training.scale.std.tolist()),
        encoders={kind: encoded.encoders[kind] for kind in kinds},
        encoder_identities={kind: built(encoded.encoders[kind]).identity for kind in kinds},
        shapes=encoded.shapes,
    )
    return training, card


def loaded(folder: Path, card: ModelConfig, training: Trainer) -> Scorer:
    """Return the trained model, saved and loaded."""
    save_scorer(folder, card, training.model)
    return load_scorer(folder)


@pytest.mark.e2e
@pytest.mark.parametrize(("variant", "kind"), ON_A_KIND)
def test_variant_learns_a_planted_rule(variant: str, kind: str, tmp_path: Path) -> None:
    info, _ = system(variant)
    encoded = encode(info.reads, {each: default_encoder(each) for each in KINDS})
    data = planted_rule(info, kind, encoded, ROWS)
    training, card = train(variant, encoded, data, EPOCHS)
    scores = loaded(tmp_path, card, training).predict({name: x[data.validation] for name, x in data.features.items()})
    assert spearmanr(scores[:, 0], data.scores[data.validation, 0]).statistic > SRCC
    assert scores.tobytes() == training.predict(data.validation).tobytes(), "the same bit for bit"


@pytest.mark.parametrize(("variant", "kind", "encoder"), ON_AN_ENCODER)
def test_variant_trains_on_features_and_loads_from_disk(variant: str, kind: str, encoder: str, tmp_path: Path) -> None:
    info, _ = system(variant)
    encoded = encode(info.reads, {kind: encoder})
    data = planted_rule(info, kind, encoded, rows=80)
    training, card = train(variant, encoded, data, epochs=1)
    scores = training.predict(torch.arange(80))
    assert loaded(tmp_path, card, training).predict(data.features).tobytes() == scores.tobytes(), "bit for bit"
    assert scores.std() > 0


@pytest.mark.parametrize(("variant", "kind", "encoder"), ON_AN_ENCODER)
def test_variant_and_control_build_at_the_corners_of_the_space(variant: str, kind: str, encoder: str) -> None:
    info, space = system(variant)
    encoded = encode(info.reads, {kind: encoder})
    features = planted_rule(info, kind, encoded, rows=20).features
    both = [(variant, {}, space)]
    if info.hypernet_sees:
        both.append((CONTROL, {"of": variant}, space.without_hypernet()))
    for name, of, own_space in both:
        for corner in corners(own_space):
            model = build_variant(name, encoded.shapes, 2, **{**corner.model, **of})
            model.calibrate(features)
            with torch.no_grad():
                scores = model.eval()(features)
            assert scores.shape == (20, 2) and scores.isfinite().all(), corner
            assert (scores.std(0) > 0).all(), f"constant: {corner}"
