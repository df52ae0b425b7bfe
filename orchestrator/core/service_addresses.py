"""Addresses of cluster, MLflow, ledger and storage from the environment or the profile file.

A flag comes first, then the environment, then the profile file, then the default of each.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.url_passwords import holds_password

VARIABLES = {
    "address": "RAY_ADDRESS",
    "tracking_uri": "MLFLOW_TRACKING_URI",
    "ledger": "HYPERASSESS_LEDGER",
    "storage_path": "HYPERASSESS_STORAGE_PATH",
    "token_path": "RAY_AUTH_TOKEN_PATH",
}
"""Setting → its environment variable."""

_CHOICE = "HYPERASSESS_PROFILE"


@dataclass(frozen=True)
class Setting:
    """Value of a setting and its source; the source is None for a value that was typed."""

    value: str
    source: str | None = None


def config_folder() -> Path:
    """Return the folder of this user's profile file and cluster token."""
    import platformdirs

    return Path(platformdirs.user_config_dir("hyperassess"))


def find_setting(name: str, given: str | None = None) -> Setting | None:
    """Return a setting by precedence, and None if nothing names it.

    Args:
        name: a key of `VARIABLES`.
        given: value of the flag, or of the resumed sweep.

    Raises:
        InputError: the profile file is wrong.
    """
    if given:
        return Setting(given)
    variable = VARIABLES[name]
    if value := os.environ.get(variable):
        return Setting(value, variable)
    path, table = _chosen()
    settings = _read(path, table) if path else {}
    if name not in settings:
        return None
    return Setting(settings[name], f"the profile {f'{table} in ' if table else ''}{path}")


def _chosen() -> tuple[Path | None, str | None]:
    """Return the profile file and the table in it, or None for a file if there is none to read."""
    choice = os.environ.get(_CHOICE)
    usual = config_folder() / "profile.toml"
    if choice is None:
        return (usual if usual.is_file() else None), None
    if not choice:
        return None, None
    if os.sep in choice or choice.endswith(".toml"):
        return Path(choice).expanduser(), None
    return usual, choice


def _read(path: Path, table: str | None) -> dict[str, str]:
    """Read the settings outside of any table, overridden by those of the chosen table."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"The profile {path} cannot be read: {reason(error)}.") from error
    tables = {name: value for name, value in content.items() if isinstance(value, dict)}
    if table is not None and table not in tables:
        raise InputError(f"{_CHOICE}: {path}: {unknown_name_message('profile', table, list(tables))}")
    settings = {name: value for name, value in content.items() if name not in tables}
    settings |= tables[table] if table is not None else {}
    for name, value in settings.items():
        if name not in VARIABLES:
            raise InputError(f"{path}: {unknown_name_message('setting of a profile', name, list(VARIABLES))}")
        if not isinstance(value, str) or not value:
            raise InputError(f"{path}: {name} is not a text.")
        if holds_password(value) and path.stat().st_mode & 0o077:
            raise InputError(f"{path} holds a password, and others on this machine may read it: chmod 600 {path}")
    return settings
