"""Plug-ins: modules outside this project that register variants, encoders, data sets or losses.

An installed distribution names its modules in an entry-point group, `hyperassess.variants` and the like; the registries
import them when they look for a name. Any other module is named by `--plugin`. Nothing else is ever imported: the name
of a plug-in in a saved model is compared with those that are loaded, and no more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import invalidate_caches
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from models.name_registry import PluginError, import_plugin, registered_plugins, top_package
from orchestrator.core.code_digest import digest_of
from orchestrator.core.errors import InputError
from orchestrator.core.module_shadowing import PACKAGES

GROUPS = ("hyperassess.variants", "hyperassess.encoders", "hyperassess.datasets", "hyperassess.losses")
"""Entry-point groups of plug-ins."""

_loaded: set[str] = set()


@dataclass(frozen=True)
class SharedPlugins:
    """Plug-ins of a sweep as its driver has them, sent to every worker.

    Attributes:
        digests: Module of a plug-in → SHA-256 of its source files.
        folder: Working folder of the driver, where loose modules are.

    Example:
        >>> SharedPlugins().load()
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    def load(self, same_code: bool = False) -> None:
        """Load the plug-ins in this process.

        Args:
            same_code: Refuse a plug-in whose source files differ from the driver's.

        Raises:
            InputError: A plug-in cannot be imported, or has other code.
        """
        load_plugins(self.digests, Path(self.folder))
        if same_code and (other := [name for name, digest in self.digests.items() if plugin_digest(name) != digest]):
            raise InputError(f"The plug-in {other[0]} has other code than on the host where the sweep was started.")


NO_PLUGINS = SharedPlugins()


def share_plugins(modules: Iterable[str]) -> SharedPlugins:
    """Return plug-ins that are loaded in this process, for workers to load.

    Example:
        >>> share_plugins([]).digests
        {}
    """
    return SharedPlugins({module: plugin_digest(module) for module in sorted(set(modules))}, str(Path.cwd()))


def load_plugins(modules: Iterable[str], folder: Path | None = None) -> None:
    """Import plug-ins, so that what they register can be looked up.

    A module is searched in the folder last, after everything that is installed, so it shadows nothing.

    Args:
        modules: Names of modules, as given by `--plugin`.
        folder: Folder of loose modules; the working folder by default.

    Raises:
        InputError: A module cannot be found or imported, or registers nothing; one sentence with its name.

    Example:
        >>> load_plugins(["no_such_module"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        orchestrator.core.errors.InputError: The plug-in no_such_module is neither installed nor a module in ...
    """
    for module in modules:
        if module not in _loaded:
            _load(module, folder or Path.cwd())
            _loaded.add(module)


def is_loaded(module: str) -> bool:
    """Return whether a plug-in, or another module of the same distribution, has registered something.

    Example:
        >>> is_loaded("no_such_module")
        False
    """
    return top_package(module) in set(map(top_package, registered_plugins()))


def plugin_digest(module: str) -> str:
    """Return the SHA-256 of a plug-in's Python files: all of its top-level package, or its one file.

    Example:
        >>> len(plugin_digest("json"))
        64
    """
    return digest_of({name: path.read_bytes() for name, path in _source_files(module).items()})


def distribution_of(module: str) -> str:
    """Return name and version of the distribution that a plug-in was installed from; "" for a loose module.

    Example:
        >>> distribution_of("no_such_module")
        ''
    """
    top = top_package(module)
    for group in GROUPS:
        for point in entry_points(group=group):
            if top_package(point.module) == top and point.dist:
                return f"{point.dist.name} {point.dist.version}"
    names = packages_distributions().get(top, [])
    return f"{names[0]} {version(names[0])}" if names else ""


def _load(module: str, folder: Path) -> None:
    if not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"--plugin takes the name of a module, such as my_variants, not {module!r}.")
    if top_package(module) in PACKAGES:
        raise InputError(f"--plugin {module}: this module is part of HyperAssess, not a plug-in.")
    if str(folder) not in sys.path and not (folder == Path.cwd() and "" in sys.path):
        sys.path.append(str(folder))
    invalidate_caches()
    if _spec(top_package(module)) is None:
        raise InputError(f"The plug-in {module} is neither installed nor a module in {folder}.")
    before = registered_plugins()
    try:
        import_plugin(module)
    except PluginError as error:
        raise InputError(str(error)) from error
    if registered_plugins() == before and not is_loaded(module):
        raise InputError(f"The plug-in {module} registers no variant, encoder, data set or loss.")


def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError):  # ValueError: a module without a spec, such as __main__
        return None


def _source_files(module: str) -> dict[str, Path]:
    spec = _spec(top_package(module))
    if spec is not None and spec.origin is None:  # a namespace package, shared by several distributions
        spec = _spec(module)
    if spec is None or spec.origin is None:
        return {}
    files: dict[str, Path] = {}
    for folder in map(Path, spec.submodule_search_locations or ()):
        files |= {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.py"))}
    origin = Path(spec.origin)
    return files or ({origin.name: origin} if origin.is_file() else {})
