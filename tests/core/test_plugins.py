"""Plug-ins that `--plugin` names: searched last, one sentence if wrong, and compared between hosts."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core import plugins
from orchestrator.core.errors import InputError
from orchestrator.core.plugins import distribution_of, is_loaded, load_plugins, plugin_digest, share_plugins
from orchestrator.training.losses import build_loss
from orchestrator.training.losses.registry import LOSSES

LOSS = "from orchestrator.training.losses import register_loss\n@register_loss\ndef {name}(prediction, batch): ...\n"
"""Source of a module that registers a loss."""

Write = Callable[[str, str], None]


@pytest.fixture
def write(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module into the working folder; what it registers is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(plugins, "_loaded", set())
    modules, losses = set(sys.modules), dict(LOSSES._entries)

    def write_module(name: str, source: str) -> None:
        (elsewhere / f"{name}.py").write_text(source, encoding="utf-8")

    yield write_module
    LOSSES._entries = losses
    for name in set(sys.modules) - modules:
        if name.startswith("made_"):
            del sys.modules[name]


def test_module_of_the_working_folder_registers(write: Write) -> None:
    write("made_loss", LOSS.format(name="made"))
    with pytest.raises(InputError, match="Unknown loss 'made'"):
        build_loss("made")
    load_plugins(["made_loss"])
    assert build_loss("made").terms[0][1].name == "made"
    assert is_loaded("made_loss") and LOSSES.plugin_of("made") == "made_loss"
    load_plugins(["made_loss"])  # again, as every job of a worker does


def test_working_folder_is_searched_after_everything_installed(write: Write, elsewhere: Path) -> None:
    write("yaml", "raise RuntimeError('the wrong yaml')")
    write("made_loss", "import tomllib\n" + LOSS.format(name="made"))
    write("tomllib", "raise RuntimeError('the wrong tomllib')")
    load_plugins(["made_loss"])
    assert sys.path[-1] == str(elsewhere) and sys.path.count(str(elsewhere)) == 1
    with pytest.raises(InputError, match="The plug-in yaml registers no variant"):
        load_plugins(["yaml"])


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("made_absent", "The plug-in made_absent is neither installed nor a module in "),
        ("./made.py", r"--plugin takes the name of a module, such as my_variants, not '\./made\.py'"),
        ("made-loss", "takes the name of a module"),
        ("", "takes the name of a module"),
        ("orchestrator.sweep", "is part of HyperAssess"),
        ("json", "The plug-in json registers no variant, encoder, data set or loss"),
        ("made_broken", "The plug-in made_broken cannot be imported: division by zero"),
        ("made_broken.part", "The plug-in made_broken.part cannot be imported: "),
        ("made_incomplete", "The plug-in made_incomplete cannot be imported: No module named 'made_absent'"),
    ],
)
def test_wrong_plugin_is_one_sentence_with_its_name(write: Write, module: str, message: str) -> None:
    write("made_broken", LOSS.format(name="made") + "\n1 / 0\n")
    write("made_incomplete", "import made_absent\n")
    with pytest.raises(InputError, match=message) as error:
        load_plugins([module])
    assert "\n" not in str(error.value)
    assert "made" not in LOSSES, "nothing of a plug-in that fails stays"


def test_digest_covers_the_file_or_the_whole_package(write: Write, elsewhere: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(elsewhere))
    write("made_loss", LOSS.format(name="made"))
    package = elsewhere / "made_package"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "variants.py").write_text("a = 1\n", encoding="utf-8")
    before = plugin_digest("made_loss"), plugin_digest("made_package.variants")
    write("made_loss", LOSS.format(name="made_other"))
    (package / "helper.py").write_text("b = 1\n", encoding="utf-8")
    after = plugin_digest("made_loss"), plugin_digest("made_package.variants")
    assert before[0] != after[0] and before[1] != after[1]


def test_worker_refuses_a_plugin_with_other_code_only_if_all_nodes_must_have_the_same(write: Write) -> None:
    write("made_loss", LOSS.format(name="made"))
    load_plugins(["made_loss"])
    shared = share_plugins(["made_loss"])
    shared.load(same_code=True)
    other = replace(shared, digests={"made_loss": "0" * 64})
    other.load()
    with pytest.raises(InputError, match="The plug-in made_loss has other code than on the host"):
        other.load(same_code=True)


def test_worker_with_another_working_folder_finds_the_drivers(write: Write, tmp_path: Path, monkeypatch) -> None:
    write("made_loss", LOSS.format(name="made"))
    load_plugins(["made_loss"])
    shared = share_plugins(["made_loss"])
    del sys.modules["made_loss"]
    LOSSES.remove("made")
    plugins._loaded.clear()
    sys.path.remove(shared.folder)
    monkeypatch.chdir(tmp_path)
    shared.load()
    assert "made" in LOSSES


def test_distribution_is_found_by_its_modules() -> None:
    assert distribution_of("yaml").lower().startswith("pyyaml ") and distribution_of("made_absent") == ""
