"""A saved model names the plug-ins of its parts, is not built without them, and never causes an import."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from models.registry import VARIANTS, build_variant, register_variant
from orchestrator.core.errors import InputError
from orchestrator.registry.resolve import load_found, resolve_model
from orchestrator.scoring import ModelConfig, ModelLoadError, load_scorer, save_scorer
from orchestrator.scoring.save_load import read_config
from tests.scoring.made_model import save_model

SHAPES = {"prompt.embedding": (384,)}


class PromptModel(nn.Module):
    """A model that reads the prompt alone."""

    reads = ("prompt.embedding",)

    def __init__(self, n_targets: int) -> None:
        super().__init__()
        self.score = nn.Linear(384, n_targets)

    def calibrate(self, features): ...

    def forward(self, features):
        return self.score(features["prompt.embedding"].float())


@pytest.fixture
def saved(tmp_path: Path):
    """A saved model of the variant `made_hyper`, which this module registered and has removed again."""
    from models.encoders import build_encoder

    def made_hyper(shapes, *, n_targets):
        """Score the prompt."""
        return PromptModel(n_targets)

    def register():
        register_variant(hypernet_sees=(), target_net_sees=("prompt.embedding",), targets=None)(made_hyper)

    register()
    identity = {"prompt": build_encoder("minilm").identity}
    config = ModelConfig("made_hyper", {}, ("alignment",), (3.0,), (1.0,), {"prompt": "minilm"}, identity, SHAPES)
    torch.manual_seed(0)
    save_scorer(tmp_path / "model", config, build_variant("made_hyper", SHAPES))
    VARIANTS.remove("made_hyper")
    yield tmp_path / "model", register
    VARIANTS.remove("made_hyper")


def edit(folder: Path, **changes: object) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_model_of_built_in_parts_has_no_key_for_plugins(tmp_path: Path) -> None:
    save_model(tmp_path / "model")
    assert "plugins" not in json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))
    assert read_config(tmp_path / "model").plugins == {}


def test_model_of_a_plugin_names_it_and_loads_with_it(saved) -> None:
    folder, register = saved
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["plugins"] == {__name__: ""}
    register()
    scores = load_scorer(folder)(["absent.png"], "a fox")
    assert scores["reason"].notna().all(), "it is built; the image is missing"


def test_model_of_a_loose_plugin_is_refused_without_it(saved) -> None:
    folder, _ = saved
    edit(folder, plugins={"made_absent.variants": ""})
    sentence = (
        "The model needs the plug-in made_absent.variants, which is not loaded: "
        "give --plugin made_absent.variants in the folder that holds its file."
    )
    with pytest.raises(ModelLoadError) as error:
        load_scorer(folder)
    assert str(error.value) == sentence
    with resolve_model(str(folder), Path("sweeps")) as found, pytest.raises(InputError, match="made_absent.variants"):
        load_found(found)


def test_model_of_an_installed_plugin_says_what_to_install(saved) -> None:
    folder, _ = saved
    edit(folder, plugins={"made_absent.variants": "made-absent 1.2"})
    with pytest.raises(ModelLoadError, match="pip install made-absent==1.2, or give --plugin made_absent.variants if"):
        load_scorer(folder)


def test_model_never_causes_an_import(saved, elsewhere: Path, monkeypatch) -> None:
    folder, _ = saved
    (elsewhere / "made_trap.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(elsewhere))
    edit(folder, plugins={"made_trap": "made-trap 1"}, variant="made_trap")
    with pytest.raises(ModelLoadError, match="needs the plug-in made_trap"):
        load_scorer(folder)
    assert "made_trap" not in sys.modules


@pytest.mark.parametrize("plugins", [["made"], {"made": 1}, "made"])
def test_wrong_plugins_in_the_file_are_refused(saved, plugins: object) -> None:
    edit(saved[0], plugins=plugins)
    with pytest.raises(ModelLoadError, match="its plugins are not"):
        load_scorer(saved[0])


def test_plugin_of_the_compared_variant_of_a_control_is_named(saved) -> None:
    from orchestrator.scoring.required_plugins import name_plugins

    folder, register = saved
    register()
    control = replace(read_config(folder), variant="plain_head", parameters={"of": "made_hyper"}, plugins={})
    assert name_plugins(control).plugins == {__name__: ""}
