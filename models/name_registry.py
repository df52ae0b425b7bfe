"""Registry of names, one class for variants, encoders, data sets, losses, samplers, pruners and protocols.

An entry comes from this project or from a plug-in: an installed distribution with an entry point, or a module that
`--plugin` names. Plug-ins of a registry's entry-point group are imported when a name is not found without them, and
when all names are listed. This module does not import PyTorch.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from threading import RLock
from typing import Any, ClassVar, Generic, TypeVar

from models.unknown_name import UnknownNameError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_PROJECT = {"models", "orchestrator"}
_LOCK = RLock()

logger = logging.getLogger(__name__)


class PluginError(Exception):
    """A plug-in that cannot be used; the message is one sentence that names it.

    Example:
        >>> issubclass(PluginError, ImportError)
        False
    """


@dataclass(frozen=True)
class _Entry(Generic[T]):
    value: T
    plugin: str | None


class Registry(Generic[T]):
    """Values by name, registered by decorators in modules that are imported when a name is first looked up.

    Args:
        kind: Noun for what a name stands for, used in messages.
        package: Package whose import registers the built-in entries; "" if they are in the registry's own module.
        group: Entry-point group of plug-ins; "" if there is none.
        usage: Returns how a name is written if it needs more than itself, such as "csv:FILE".

    Example:
        >>> colours = Registry[int]("colour")
        >>> colours.add("red", 0xFF0000)
        >>> colours.names(), colours.get("red") == 0xFF0000
        (['red'], True)
        >>> colours.get("rad")
        Traceback (most recent call last):
        models.unknown_name.UnknownNameError: Unknown colour 'rad': did you mean red?
    """

    _all: ClassVar[list["Registry[Any]"]] = []

    def __init__(
        self, kind: str, package: str = "", group: str = "", usage: Callable[[str, T], str] | None = None
    ) -> None:
        self.kind = kind
        self.group = group
        self._package = package
        self._usage = usage
        self._entries: dict[str, _Entry[T]] = {}
        self._failed: dict[str, str] | None = None
        Registry._all.append(self)

    def add(self, name: str, value: T, module: str = "") -> None:
        """Register a value.

        Args:
            name: The name that it is looked up by.
            value: The value.
            module: Module that defines the value; decides which plug-in it is from.

        Raises:
            ValueError: The name is registered already.
        """
        plugin = _plugin(module)
        if plugin:
            self._load_built_in()  # first, so that a plug-in cannot take a built-in name
        if name in self._entries:
            raise ValueError(f"{self.kind} '{name}' is registered twice")
        self._entries[name] = _Entry(value, plugin)

    def register(self, function: F) -> F:
        """Register the decorated function under its own name.

        Raises:
            ValueError: The name is registered already.
        """
        self.add(function.__name__, function, function.__module__)  # type: ignore[arg-type]
        return function

    def remove(self, name: str) -> None:
        """Remove a name, so that it can be registered again, as in a notebook; do nothing if it is not registered."""
        self._entries.pop(name, None)

    def get(self, name: str) -> T:
        """Return the value of a name.

        Raises:
            UnknownNameError: The name is not registered, neither here nor by a plug-in.
        """
        return self._find(name).value

    def plugin_of(self, name: str) -> str | None:
        """Return the module of the plug-in that registered a name, or None for a built-in one.

        Raises:
            UnknownNameError: The name is not registered.
        """
        return self._find(name).plugin

    def names(self) -> list[str]:
        """Return all names, sorted; log a warning for every plug-in that cannot be imported."""
        with _LOCK:
            self._load_built_in()
            self._load_entry_points()
        return sorted(self._entries)

    def usages(self) -> dict[str, str]:
        """Return every name, sorted, with how it is written."""
        return {name: self._written(name) for name in self.names()}

    def entries(self) -> list[tuple[str, T]]:
        """Return the names and values that are registered so far; no plug-in is imported for it."""
        self._load_built_in()
        return [(name, entry.value) for name, entry in self._entries.items()]

    def plugins(self) -> set[str]:
        """Return the modules of the plug-ins that have registered something here so far."""
        return {entry.plugin for entry in self._entries.values() if entry.plugin}

    def failures(self) -> str:
        """Return a sentence for every installed plug-in that could not be imported so far; "" if there is none."""
        return " ".join((self._failed or {}).values())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        try:
            self._find(str(name))
        except UnknownNameError:
            return False
        return True

    def _find(self, name: str) -> _Entry[T]:
        with _LOCK:
            self._load_built_in()
            if name not in self._entries:
                self._load_entry_points()
        if name not in self._entries:
            usages = {known: self._written(known) for known in self._entries}
            raise UnknownNameError(self.kind, name, self._entries, usages, self.failures())
        return self._entries[name]

    def _written(self, name: str) -> str:
        return self._usage(name, self._entries[name].value) if self._usage else name

    def _load_built_in(self) -> None:
        if self._package:
            import_module(self._package)

    def _load_entry_points(self) -> None:
        if self._failed is not None or not self.group:
            return
        self._failed = {}
        for point in entry_points(group=self.group):
            try:
                import_plugin(point.module)
            except PluginError as error:
                self._failed[point.module] = _sentence(point, error)
                logger.warning(self._failed[point.module])


class _Importing:
    """The plug-in that is being imported: what registers meanwhile belongs to it."""

    plugin: ClassVar[str | None] = None


def import_plugin(module: str) -> None:
    """Import a plug-in's module; what it registers belongs to the plug-in.

    If the import fails, nothing that it registered stays, so that a broken plug-in harms nobody else.

    Raises:
        PluginError: The import fails, for whatever reason.

    Example:
        >>> import_plugin("missing")
        Traceback (most recent call last):
        models.name_registry.PluginError: The plug-in missing cannot be imported: No module named 'missing'.
    """
    with _LOCK, _importing(module):
        try:
            import_module(module)
        except (Exception, SystemExit) as error:  # a plug-in may raise anything
            _discard(module)
            reason = " ".join(str(error).split()) or type(error).__name__
            raise PluginError(f"The plug-in {module} cannot be imported: {reason.rstrip('.')}.") from error


def registered_plugins() -> set[str]:
    """Return the modules of all plug-ins that have registered something so far.

    Example:
        >>> "models.variants.text_hyper" in registered_plugins()
        False
    """
    return set().union(*(registry.plugins() for registry in Registry._all))


def import_submodules(package: str, path: list[str]) -> None:
    """Import every module right inside a package, for what they register.

    Args:
        package: Name of the package.
        path: Its `__path__`.

    Example:
        >>> import models.variants
        >>> import_submodules("models.variants", models.variants.__path__)
    """
    for module in iter_modules(path):
        import_module(f"{package}.{module.name}")


@contextmanager
def _importing(module: str) -> Iterator[None]:
    before, _Importing.plugin = _Importing.plugin, module
    try:
        yield
    finally:
        _Importing.plugin = before


def _plugin(module: str) -> str | None:
    """Return the plug-in that registers a value of a module, or None if the module is the project's own.

    A plug-in may be the first to import a module of the project, or of another plug-in.
    """
    top = top_package(module)
    if top in _PROJECT:
        return None
    imported = _Importing.plugin
    return imported if imported and top in {"", top_package(imported)} else module or None


def top_package(module: str) -> str:
    """Return the first part of a module's name: plug-ins with the same one are one distribution.

    Example:
        >>> top_package("hyperassess_example.variants")
        'hyperassess_example'
    """
    return module.partition(".")[0]


def _discard(plugin: str) -> None:
    for registry in Registry._all:
        kept = {name: entry for name, entry in registry._entries.items() if entry.plugin != plugin}
        registry._entries = kept


def _sentence(point: EntryPoint, error: PluginError) -> str:
    distribution = point.dist.name if point.dist else ""
    named = str(error).removesuffix(".")
    return f"{named}; it is installed as {distribution}." if distribution else f"{named}."
