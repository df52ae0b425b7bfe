"""Names in the registries, read from source files: `--help` lists them without importing torch or Optuna."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from orchestrator.core.module_shadowing import ROOT

REGISTRIES = {
    "variant": "models/variants",
    "encoder": "models/encoders",
    "dataset": "orchestrator/data/datasets",
    "protocol": "orchestrator/data/splits.py",
    "sampler": "orchestrator/search/samplers.py",
    "pruner": "orchestrator/search/pruners.py",
}
"""Registry → file or folder, below the project's root, of the functions that it holds."""

_Function = ast.FunctionDef | ast.ClassDef


@cache
def registered_names(registry: str) -> dict[str, str]:
    """Return name → first line of the docstring, in the order of the files; a name ends in `:FILE` if it takes one.

    Args:
        registry: a key of `REGISTRIES`.
    """
    place = ROOT / REGISTRIES[registry]
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    sources = [path.read_text(encoding="utf-8") for path in files]
    return {name: line for source in sources for name, line in _registered(ast.parse(source), registry)}


def fill_in_names(text: str) -> str:
    """Replace `{variant}`, `{dataset}` and the other registries in a text by the names in them."""
    return re.sub(f"{{({'|'.join(REGISTRIES)})}}", lambda found: ", ".join(registered_names(found[1])), text)


def _registered(module: ast.Module, registry: str) -> Iterator[tuple[str, str]]:
    functions = {node.name: node for node in module.body if isinstance(node, _Function)}
    for function in functions.values():
        for decorator in function.decorator_list:
            if not _registers(decorator, registry):
                continue
            name = _usage(function, decorator, registry) if isinstance(decorator, ast.Call) else function.name
            yield name, _first_line(function)


def _registers(decorator: ast.expr, registry: str) -> bool:
    """Return whether a decorator is `@register_variant(…)` or, without arguments, `@SAMPLERS.register`."""
    called = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator).lower()
    return "register" in called and registry in called


def _usage(function: _Function, decorator: ast.Call, registry: str) -> str:
    """Return the name of a registered function, with the argument that it takes: `csv:FILE`, `shapes[:SEED]`."""
    options = {keyword.arg: keyword.value for keyword in decorator.keywords}
    first = next(iter(decorator.args), None) if registry != "encoder" else None  # an encoder's first is its kind
    name, argument = _text(options.get("name", first)) or function.name, _text(options.get("argument"))
    if argument.startswith("["):
        return f"{name}[:{argument[1:]}"
    return f"{name}:{argument}" if argument else name


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _first_line(function: _Function) -> str:
    return (ast.get_docstring(function) or "").partition("\n")[0]
