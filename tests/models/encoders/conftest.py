"""A machine that has no weights."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Environment without any weights and offline; the function returns the servers that were contacted."""
    asked: list[str] = []

    def refuse(address: object, *rest: object, **options: object) -> None:
        asked.append(str(address))
        raise OSError("no network in tests")

    monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    return lambda: asked
