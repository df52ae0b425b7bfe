"""Doctests of the examples in docstrings, and a check that every public function and class has one."""

import doctest
import importlib
import inspect
import pkgutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = ["models", "orchestrator.training", "orchestrator.scoring"]
MODULES = [
    "orchestrator",
    "orchestrator.core.atomic_files",
    "orchestrator.core.errors",
    "orchestrator.core.plugins",
    "orchestrator.execution.job",
]
INCOMPLETE = {"orchestrator.core.atomic_files", "orchestrator.core.errors", "orchestrator.execution.job"}
"""Modules in which not every public function and class has an example yet; those that exist are run."""


def modules_of(package: str) -> Iterator[str]:
    """Yield the names of a package and of all modules in it."""
    yield package
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        yield module.name


def public_objects(module: ModuleType) -> dict[str, object]:
    """Return the public functions and classes that a module defines."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value)))
        and getattr(value, "__module__", None) == module.__name__
    }


def without_example(module: ModuleType) -> list[str]:
    """Return the names of a module's public functions and classes whose docstrings have no example."""
    parser = doctest.DocTestParser()
    return [name for name, value in public_objects(module).items() if not parser.get_examples(value.__doc__ or "")]


@pytest.mark.parametrize("name", [name for package in PACKAGES for name in modules_of(package)] + MODULES)
def test_module_has_examples_that_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    module = importlib.import_module(name)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder().find(module, name):
        runner.run(example, out=report.append)
    assert not runner.failures, "".join(report)
    missing = without_example(module)
    assert bool(missing) == (name in INCOMPLETE), f"public functions and classes without an example: {missing}"


def test_without_example_finds_functions_and_classes_but_no_imported_or_private_names() -> None:
    module = ModuleType("made")
    source = (
        "from pathlib import Path\n"
        "from functools import cache\n"
        "def example():\n    '''Return 1.\n\n    >>> example()\n    1\n    '''\n"
        "def missing(): '''Return 2.'''\n"
        "@cache\ndef cached(): ...\n"
        "class Missing: ...\n"
        "def _private(): ...\n"
    )
    exec(source, vars(module))
    assert without_example(module) == ["missing", "cached", "Missing"]
