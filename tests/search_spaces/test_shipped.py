"""The spaces that ship: one a variant, each of which loads, builds and trains from end to end of its range."""

import pytest

from models import build_variant, list_variants, variant_info
from orchestrator.search.space import Configuration, load_space
from orchestrator.training import FitSettings

SHAPES = {
    "prompt.embedding": (384,),
    "criteria.embedding": (384,),
    "image_prompt.embedding": (2049,),
    "image.map": (320, 7, 7),
    "image.level1": (24, 8, 8),
    "image.level2": (40, 4, 4),
    "image.level3": (112, 2, 2),
    "image.level4": (1280, 1, 1),
    "image.statistics": (4128,),
}
VARIANTS = list_variants()


def n_parameters(variant: str, configuration: Configuration) -> int:
    FitSettings.from_dict({"epochs": 1, **configuration.training})
    return sum(p.numel() for p in build_variant(variant, SHAPES, **configuration.model).parameters())


@pytest.mark.parametrize("variant", VARIANTS)
def test_default_and_corners_build(variant):
    space = load_space(variant)
    default = n_parameters(variant, space.configuration(space.default_params()))
    sizes = [{n_parameters(variant, corner) for corner in _distinct(space, largest)} for largest in (False, True)]
    assert max(sizes[0]) < default < max(sizes[1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_key_is_in_its_section(variant):
    space, info = load_space(variant), variant_info(variant)
    own = set(info.hypernet_parameters)
    assert set(space.hypernet) <= own
    assert set(space.model) <= set(info.parameters) - own


@pytest.mark.parametrize("variant", VARIANTS)
def test_space_names_every_parameter(variant):
    """A parameter without an entry would take the builder's default, the paper's form, without notice."""
    space = load_space(variant)
    assert {*space.model, *space.hypernet} == set(variant_info(variant).parameters)


@pytest.mark.parametrize("variant", [name for name in VARIANTS if variant_info(name).hypernet_sees])
def test_space_of_the_control_builds(variant):
    space = load_space(variant).without_hypernet()
    configuration = space.configuration(space.default_params())
    own = {key: value for key, value in configuration.model.items() if key != "of"}
    control = n_parameters("plain_head", Configuration({"of": variant, **own}, configuration.training))
    full = load_space(variant)
    assert control < n_parameters(variant, full.configuration(full.default_params()))


def _distinct(space, largest):
    """Return the corners that differ in the model; the training's categories do not change it."""
    seen = []
    for corner in space.corners(largest):
        if corner.model not in seen:
            seen.append(corner.model)
            yield corner
