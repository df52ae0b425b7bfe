from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.data.cache_folder import cache_dir, make_cache_dir


def test_the_environment_chooses_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPERASSESS_CACHE", "here")
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("HYPERASSESS_CACHE")
    assert cache_dir().name == "hyperassess"


@pytest.mark.parametrize("cache", ["/proc/hyperassess", "/dev/null"])
def test_a_cache_that_cannot_be_written_is_refused_with_the_variable(cache: str) -> None:
    with pytest.raises(InputError, match="cannot be written .*: set HYPERASSESS_CACHE"):
        make_cache_dir(Path(cache) / "features")
