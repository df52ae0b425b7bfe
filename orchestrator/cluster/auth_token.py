"""The token: who has it may run code on a cluster. It lies in a file that only its owner reads, never in arguments.

Ray reads it from RAY_AUTH_TOKEN or from the file that RAY_AUTH_TOKEN_PATH names.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.core.service_addresses import config_folder, find_setting

OPEN = "disabled"
"""RAY_AUTH_MODE of a cluster that asks for no token."""

IN_ENVIRONMENT = "RAY_AUTH_TOKEN"
"""The variable that holds a token itself; Ray heeds it before any file."""

_RAYS_OWN = Path("~/.ray/auth_token")


def token_file(given: Path | None = None, address: str | None = None) -> Path:
    """Return the path of a cluster's token, whether or not the file exists.

    Args:
        given: path given by an option.
        address: of the cluster, if it runs already. A cluster started on this host records which token it uses; any
            other cluster uses Ray's own token.
    """
    if given:
        return given.expanduser().absolute()
    setting = find_setting("token_path")
    if setting is None and address:
        from orchestrator.cluster.process_registry import records

        known = [one.token for one in records() if one.address == address and one.token not in (None, IN_ENVIRONMENT)]
        if known and known[0]:
            return Path(known[0])
    if setting:
        return Path(setting.value).expanduser().absolute()
    own, rays = config_folder() / "token", _RAYS_OWN.expanduser()
    return rays if address and rays.is_file() and not own.is_file() else own


def ensure_token(path: Path) -> None:
    """Create a token if missing.

    Raises:
        InputError: the file cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        raise InputError(f"The token {path} cannot be made: {reason(error)}.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(32))


def check_token(path: Path, address: str) -> None:
    """Raise InputError if a cluster's token is neither in the environment nor in its file."""
    if os.environ.get(IN_ENVIRONMENT):
        return
    try:
        if path.read_text(encoding="utf-8").strip():
            return
        told = "is empty"
    except OSError as error:
        told = f"cannot be read ({reason(error)})"
    raise InputError(
        f"The token of {address} {told}: copy it from the head's host to {path}, "
        "or name its file in RAY_AUTH_TOKEN_PATH."
    )


def token_settings(path: Path | None) -> dict[str, str]:
    """Return Ray's settings for a cluster with the token in a file; for None, of one without a token."""
    if path is None:
        return {"RAY_AUTH_MODE": OPEN}
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


def auth_disabled() -> bool:
    """Return whether the environment turns Ray's token authentication off."""
    return os.environ.get("RAY_AUTH_MODE", "").lower() == OPEN


def use_token(address: str) -> None:
    """Make this process and its children present the token of the cluster they are about to join, if it has one."""
    path = token_file(address=address)
    if auth_disabled() or not (os.environ.get(IN_ENVIRONMENT) or path.is_file()):
        return
    os.environ.update(token_settings(path))
    _reload()


def use_own_token() -> None:
    """Put a token for a local cluster into the environment if Ray cannot keep one in the home folder."""
    file = _RAYS_OWN.expanduser()
    if auth_disabled() or any(os.environ.get(name) for name in (IN_ENVIRONMENT, "RAY_AUTH_TOKEN_PATH")):
        return
    if file.is_file() or _can_create(file):
        return
    os.environ[IN_ENVIRONMENT] = secrets.token_hex(32)
    _reload()


def _can_create(file: Path) -> bool:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(file.parent, os.W_OK | os.X_OK)


@contextmanager
def own_environment() -> Iterator[None]:
    """Restore the token settings of this process at the end of the block."""
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", IN_ENVIRONMENT)
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        if before != {name: os.environ.get(name) for name in names}:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            _reload()


def _reload() -> None:
    if "ray" in sys.modules:  # it read its settings when it was imported
        try:
            from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
        except ImportError:  # another version of Ray: it keeps the settings that it read
            return
        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()
