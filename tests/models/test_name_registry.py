"""Every registry of the project behaves in the same way; plug-ins add to it and, if broken, harm nobody else."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from models import name_registry
from models.encoders.registry import ENCODERS
from models.name_registry import PluginError, Registry, import_plugin, registered_plugins
from models.registry import VARIANTS
from models.unknown_name import UnknownNameError
from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import look_up
from orchestrator.data.registry import DATASETS
from orchestrator.data.splits import PROTOCOLS
from orchestrator.search.pruners import PRUNERS
from orchestrator.search.samplers import SAMPLERS
from orchestrator.training.losses.registry import LOSSES

REGISTRIES: list[Registry[Any]] = [VARIANTS, ENCODERS, DATASETS, LOSSES, SAMPLERS, PRUNERS, PROTOCOLS]
KNOWN = {
    "variant": "text_hyper",
    "encoder": "minilm",
    "data set": "shapes",
    "loss": "huber",
    "sampler": "tpe",
    "pruner": "halving",
    "protocol": "disjoint",
}
"""Kind → a built-in name."""

each = pytest.mark.parametrize("registry", REGISTRIES, ids=[registry.kind for registry in REGISTRIES])


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[str]]:
    """A registry of its own, whose plug-ins are the entry points that `install` adds."""
    registry = Registry[str]("colour", group="made.colours")
    registry.add("red", "built in")
    monkeypatch.setitem(sys.modules, "made_registry", type(sys)("made_registry"))
    sys.modules["made_registry"].colours = registry  # type: ignore[attr-defined]
    yield registry
    Registry._all.remove(registry)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write a module and an entry point of the group `made.colours` for it."""
    points: list[EntryPoint] = []
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(name_registry, "entry_points", lambda group: [p for p in points if p.group == group])

    def write(module: str, source: str) -> None:
        (tmp_path / f"{module}.py").write_text(f"from made_registry import colours\n{source}\n", encoding="utf-8")
        points.append(EntryPoint("any", module, "made.colours"))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return write


@each
def test_registry_lists_its_names_sorted_and_finds_each(registry: Registry[Any]) -> None:
    names = registry.names()
    assert names == sorted(set(names)) == list(registry) and KNOWN[registry.kind] in names
    assert all(name in registry and registry.get(name) is not None for name in names)
    assert list(registry.usages()) == names


@each
def test_registry_entries_of_the_project_belong_to_no_plugin(registry: Registry[Any]) -> None:
    assert registry.plugin_of(KNOWN[registry.kind]) is None


@each
def test_registry_names_near_matches_of_an_unknown_name(registry: Registry[Any]) -> None:
    known = KNOWN[registry.kind]
    misspelt = known[:-1]
    with pytest.raises(
        UnknownNameError, match=rf"^Unknown {registry.kind} '{misspelt}': did you mean .*{known}"
    ) as error:
        registry.get(misspelt)
    assert known in error.value.near and misspelt not in registry
    with pytest.raises(InputError, match=f"^Unknown {registry.kind} '{misspelt}': did you mean"):
        look_up(registry, misspelt)


@each
def test_registry_lists_all_names_if_none_is_near(registry: Registry[Any]) -> None:
    with pytest.raises(UnknownNameError, match=rf"'0000': there are .*\b{KNOWN[registry.kind]}\b"):
        registry.get("0000")


@each
def test_registry_refuses_a_name_that_is_taken(registry: Registry[Any]) -> None:
    known = KNOWN[registry.kind]
    before = registry.get(known)
    with pytest.raises(ValueError, match=f"{registry.kind} '{known}' is registered twice"):
        registry.add(known, object(), "somewhere_else")
    assert registry.get(known) is before


@each
def test_registry_keeps_what_a_decorated_function_registers_until_it_is_removed(registry: Registry[Any]) -> None:
    def made_here() -> None: ...

    try:
        assert registry.register(made_here) is made_here
        assert registry.get("made_here") is made_here
        assert registry.plugin_of("made_here") == __name__ and __name__ in registered_plugins()
    finally:
        registry.remove("made_here")
    assert "made_here" not in registry and __name__ not in registered_plugins()


def test_importing_models_and_the_registry_loads_no_torch() -> None:
    code = (
        "import sys, models, models.name_registry, orchestrator.core.plugins, orchestrator.search.samplers\n"
        "assert models.CONTROL == 'plain_head'\n"
        "print({'torch', 'numpy', 'pandas', 'optuna'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, encoding="utf-8")
    assert done.stdout.strip() == "set()", done.stderr


def test_plugin_is_imported_only_if_a_name_is_not_found_without_it(colours, install) -> None:
    install("paint", "colours.add('blue', 'of paint', __name__)")
    assert colours.get("red") == "built in" and "paint" not in sys.modules
    assert colours.get("blue") == "of paint" and colours.plugin_of("blue") == "paint"
    assert colours.names() == ["blue", "red"]


def test_broken_plugin_is_named_only_if_it_could_have_the_name(colours, install, caplog) -> None:
    install("paint", "colours.add('blue', 'of paint', __name__)")
    install("spoilt", "colours.add('green', 'half', __name__)\nimport no_such_module")
    with caplog.at_level(logging.WARNING):
        assert colours.names() == ["blue", "red"], "what it registered before it failed is gone"
    sentence = "The plug-in spoilt cannot be imported: No module named 'no_such_module'."
    assert caplog.messages == [sentence]
    assert colours.get("red") and colours.get("blue")
    with pytest.raises(UnknownNameError) as error:
        colours.get("green")
    assert str(error.value) == f"Unknown colour 'green': did you mean red? {sentence}"


@pytest.mark.parametrize("source", ["raise SystemExit('no licence')", "1 / 0", "def broken(:"])
def test_plugin_that_raises_anything_is_one_sentence(colours, install, source: str) -> None:
    install("spoilt", source)
    with pytest.raises(PluginError, match=r"^The plug-in spoilt cannot be imported: [^\n]+\.$"):
        import_plugin("spoilt")
    assert colours.names() == ["red"]


def test_plugin_cannot_take_a_built_in_name(colours, install, caplog) -> None:
    install("greedy", "colours.add('red', 'of greedy', __name__)")
    assert colours.names() == ["red"] and colours.get("red") == "built in"
    assert "colour 'red' is registered twice" in caplog.text


def test_plugin_that_first_imports_a_module_of_another_does_not_own_it(colours, install, monkeypatch) -> None:
    install("paint", "colours.add('blue', 'of paint', __name__)")
    install("second", "import paint\ncolours.add('green', 'of second', __name__)")
    import_plugin("second")
    assert (colours.plugin_of("blue"), colours.plugin_of("green")) == ("paint", "second")


def test_usage_is_shown_for_a_name_that_needs_an_argument() -> None:
    with pytest.raises(UnknownNameError, match="'cvs': did you mean csv:FILE\\?"):
        DATASETS.get("cvs")
