from pathlib import Path

import pytest

from orchestrator.data.cache import cache_dir


def test_the_environment_chooses_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPERASSESS_CACHE", "here")
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("HYPERASSESS_CACHE")
    assert cache_dir().name == "hyperassess"
