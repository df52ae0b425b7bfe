"""The example package is installed and used by public commands: a sweep with a real worker, then scoring."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.commands import run
from tests.ratings import make_ratings

pytestmark = pytest.mark.long

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "hyperassess-example"
SMALL = ["--trials", 1, "--epochs", 2, "--confirm", 1, "--splits", 1, "--pruner", "none", "--json"]

LOOSE = '''
import torch
from torch import nn

from models.registry import register_variant


class Mean(nn.Module):
    reads = ("prompt.embedding",)

    def __init__(self, width, n_targets):
        super().__init__()
        self.score = nn.Linear(width, n_targets)

    def calibrate(self, features): ...

    def forward(self, features):
        return self.score(features["prompt.embedding"].float())


@register_variant(hypernet_sees=(), target_net_sees=("prompt.embedding",), targets=None)
def loose_head(shapes, *, n_targets, bias=True):
    """Score the prompt."""
    return Mean(shapes["prompt.embedding"][0], n_targets)
'''
SPACE = """
model: {bias: true}
training: {lr: {type: float, low: 1.0e-3, high: 1.0e-2, default: 2.0e-3}, loss: log_cosh}
"""


@pytest.fixture(scope="module")
def site(module_folder: Path) -> Path:
    """A folder that the example is installed into, without network."""
    source, target = module_folder / "source", module_folder / "site"
    subprocess.run(["cp", "-r", str(EXAMPLE), str(source)], check=True)  # a build writes into the source's folder
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *install, str(source)], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def installed(site: Path) -> Mapping[str, str]:
    """Environment in which the example is installed."""
    return {**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}{os.pathsep}{site}"}


@pytest.fixture(scope="module")
def folder(module_folder: Path) -> Path:
    """A working folder with a data set, `loose_variants.py` and a search space for it."""
    work = module_folder / "work"
    work.mkdir()
    make_ratings(work)
    (work / "loose_variants.py").write_text(LOOSE, encoding="utf-8")
    (work / "space.yaml").write_text(SPACE, encoding="utf-8")
    return work


def score(folder: Path, sweep: str, *options: str, **settings: object) -> tuple[str, str]:
    done = run(folder, "score", folder / "00_0.png", "--model", sweep, "--prompt", "a fox", *options, **settings)
    return done.out, done.err


def test_installed_example_is_searched_trained_and_scored_with(folder: Path, installed: Mapping[str, str]) -> None:
    data = ["--variant", "gated_head", "--dataset", f"csv:{folder}/ratings.csv", "--name", "example"]
    result = json.loads(run(folder, "sweep", *data, *SMALL, environment=installed).out)
    assert result["counts"]["complete"] == 1, "a worker of Ray has imported the variant"
    saved = json.loads(
        (folder / "sweeps/example/trials" / result["best"]["run"] / "model/model.json").read_text(encoding="utf-8")
    )
    assert saved["plugins"] == {"hyperassess_example.variants": "hyperassess-example 0.1.0"}
    identity = json.loads((folder / "sweeps/example/identity.json").read_text(encoding="utf-8"))
    assert set(identity["plugins"]) == {"hyperassess_example.variants", "hyperassess_example.losses"}
    out, _ = score(folder, "example", "--json", environment=installed)
    assert json.loads(out)["scores"][0]["alignment"] is not None

    _, error = score(folder, "example", code=2)
    assert "needs the plug-in hyperassess_example.variants" in error and error.count("\n") == 1
    assert "pip install hyperassess-example==0.1.0" in error


def test_loose_module_is_used_by_plugin_option_with_a_space_of_its_own(
    folder: Path, installed: Mapping[str, str]
) -> None:
    data = ["--variant", "loose_head", "--dataset", f"csv:{folder}/ratings.csv", "--name", "loose"]
    plugins = ["--plugin", "loose_variants", "--plugin", "hyperassess_example.losses"]
    result = json.loads(
        run(folder, "sweep", *data, *plugins, "--space", "space.yaml", *SMALL, environment=installed).out
    )
    assert result["counts"]["complete"] == 1
    out, _ = score(folder, "loose", "--plugin", "loose_variants", "--json")
    assert json.loads(out)["scores"][0]["alignment"] is not None
    _, error = score(folder, "loose", code=2)
    assert "give --plugin loose_variants in the folder that holds its file" in error

    source = folder / "loose_variants.py"
    source.write_text(f"{LOOSE}\n# changed\n", encoding="utf-8")
    resume = ["loose", "--trials", "2"]
    error = run(folder, "resume", *resume, code=2, environment=installed).err
    assert "cannot be resumed: plugins changed" in error
    source.unlink()
    error = run(folder, "resume", *resume, code=2, environment=installed).err
    assert "The plug-in loose_variants is neither installed nor a module in" in error
