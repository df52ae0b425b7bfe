import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from orchestrator.data import verify_images as verify_images_module
from orchestrator.data.verify_images import ImageCheck, verify_images

NAMES = ["a.png", "b.png", "c.png"]


@pytest.fixture
def paths(write_images: Callable[[Sequence[str]], Path]) -> list[Path]:
    folder = write_images(NAMES)
    return [folder / name for name in NAMES]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read, as they are."""
    seen: list[str] = []
    verify = verify_images_module._verify

    def spy(path: str) -> ImageCheck:
        seen.append(Path(path).name)
        return verify(path)

    monkeypatch.setattr(verify_images_module, "_verify", spy)
    return seen


def test_a_file_is_read_once_while_it_stays_as_it_is(paths: list[Path], read: list[str]) -> None:
    first = verify_images(paths, paths[0].parent)
    assert sorted(read) == NAMES
    assert verify_images(paths, paths[0].parent) == first
    assert sorted(read) == NAMES
    assert len({verdict.digest for verdict in first}) == 3


def test_a_changed_file_is_read_again(paths: list[Path], read: list[str]) -> None:
    before = verify_images(paths, paths[0].parent)
    paths[1].write_bytes(paths[0].read_bytes())
    os.utime(paths[1], ns=(1, 1))
    read.clear()
    after = verify_images(paths, paths[0].parent)
    assert read == ["b.png"]
    assert after == [before[0], before[0], before[2]]


def test_a_file_that_comes_back_is_no_longer_missing(paths: list[Path]) -> None:
    content = paths[2].read_bytes()
    paths[2].unlink()
    assert verify_images(paths, paths[0].parent)[2] == ImageCheck(reason="missing")
    paths[2].write_bytes(content)
    assert verify_images(paths, paths[0].parent)[2].reason is None


def test_a_damaged_cache_is_an_empty_cache(paths: list[Path], cache: Path) -> None:
    first = verify_images(paths, paths[0].parent)
    (kept,) = (cache / "verified").iterdir()
    kept.write_text('[["half', encoding="utf-8")
    assert verify_images(paths, paths[0].parent) == first


def test_an_interrupted_check_keeps_what_it_has_seen(paths: list[Path], read: list[str]) -> None:
    def interrupt(done: int, total: int, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_images(paths, paths[0].parent, interrupt)
    read.clear()
    verify_images(paths, paths[0].parent)
    assert len(read) == 1


def test_the_check_works_without_its_cache(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERASSESS_CACHE", "/dev/null/cache")
    assert [check.reason for check in verify_images(paths, paths[0].parent)] == [None] * 3
