"""Names in the registries, read from source files: `--help` lists them without importing torch or Optuna."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from orchestrator.core.import_path import ROOT

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
            if isinstance(decorator, ast.Call) and _registers(decorator, registry):
                yield _usage(function, decorator, registry), _first_line(function)
    for node in module.body:  # a registry that is one dictionary, such as SAMPLERS
        if not isinstance(node, ast.AnnAssign) or registry not in ast.unparse(node.target).lower():
            continue
        if isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Name) and value.id in functions:
                    yield str(key.value), _first_line(functions[value.id])


def _registers(decorator: ast.Call, registry: str) -> bool:
    called = ast.unparse(decorator.func).lower()
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
