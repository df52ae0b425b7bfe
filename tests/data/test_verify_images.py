import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    assert verify_images(paths, paths[0].parent)[2].reason == "missing"
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


def test_a_file_that_could_not_be_read_once_is_read_again(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        assert {check.reason for check in verify_images(paths, paths[0].parent)} == {"a file without read permission"}
    assert {check.reason for check in verify_images(paths, paths[0].parent)} == {None}


def test_another_decoder_reads_every_file_again(
    paths: list[Path], read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = verify_images(paths, paths[0].parent)
    read.clear()
    monkeypatch.setattr(verify_images_module, "decoder_identity", lambda: "another")
    assert verify_images(paths, paths[0].parent) == first
    assert sorted(read) == NAMES


def test_a_path_that_no_file_can_have_is_a_reason(paths: list[Path]) -> None:
    names = ["x" * 300 + ".png", "a\0b.png"]
    checks = verify_images([paths[0].parent / name for name in names], paths[0].parent)
    assert [check.reason for check in checks] == ["missing", "unreadable"]


def test_the_log_has_what_the_decoder_raised(paths: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    paths[1].write_bytes(paths[1].read_bytes()[:60])
    with caplog.at_level("INFO"):
        verify_images(paths, paths[0].parent)
    (message,) = caplog.messages
    assert message.startswith(f"{paths[1]}: truncated (OSError(")


@pytest.mark.parametrize(
    ("reason", "row_reason"),
    [(None, None), ("truncated", "truncated image"), ("animated", "animated image"), ("a folder", "a folder")],
)
def test_the_reason_of_a_row_is_a_noun(reason: str | None, row_reason: str | None) -> None:
    assert ImageCheck(reason=reason).row_reason == row_reason


def test_the_digest_is_that_of_the_bytes_unless_earlier_versions_read_other_pixels(tmp_path: Path) -> None:
    grey = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray((grey * 255).astype(np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray((grey * 65535).astype(np.uint16)).save(tmp_path / "16-bit.png")
    (tmp_path / "16-bit.pgm").write_bytes(b"P5 1 1 65535\n\x80\0")
    Image.fromarray(grey).save(tmp_path / "float.tiff")
    Image.fromarray((grey * 255).astype(np.int32)).save(tmp_path / "32-bit.tiff")
    paths = sorted(tmp_path.glob("*.*"))
    checks = verify_images(paths, tmp_path)
    same = {
        path.name
        for path, check in zip(paths, checks, strict=True)
        if check.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    }
    assert len({check.digest for check in checks}) == 5 and same == {"grey.png", "16-bit.png", "16-bit.pgm"}
