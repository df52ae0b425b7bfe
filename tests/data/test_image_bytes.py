import os
from pathlib import Path

import pytest

from orchestrator.data.image_bytes import UnusableFile, other_content, read_image_file


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "missing"),
        (lambda path: path.symlink_to("nothing"), "a link to a missing file"),
        (lambda path: path.symlink_to(path.name), "missing"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: os.mkfifo(path), "a pipe or device"),
    ],
)
def test_a_path_without_a_file_has_its_reason(tmp_path, make, reason):
    make(tmp_path / "x.png")
    with pytest.raises(UnusableFile, match=f"^{reason}$"):
        read_image_file(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("name", "reason"), [("x" * 300, "missing"), ("a.png/b.png", "missing"), ("a\0b", "unreadable")]
)
def test_an_impossible_path_has_its_reason(tmp_path, name, reason):
    (tmp_path / "a.png").touch()
    with pytest.raises(UnusableFile, match=f"^{reason}$"):
        read_image_file(tmp_path / name)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(PermissionError(13, "no"), "a file without read permission"), (OSError(5, "no"), "unreadable")],
)
def test_a_file_that_cannot_be_read_now_has_its_reason(tmp_path, monkeypatch, error, reason):
    def refuse(path):
        raise error

    (tmp_path / "x.png").touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(UnusableFile, match=f"^{reason}$"):
        read_image_file(tmp_path / "x.png")


def test_a_file_beyond_any_image_is_not_read(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(2**31)  # sparse
    with pytest.raises(UnusableFile, match="^too large$"):
        read_image_file(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>", "a web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a vector drawing"),
        (b"<?xml version='1.0'?><!-- x --><svg/>", "a vector drawing"),
        (b"%PDF-1.7", "a PDF"),
        (b"no image", None),
        (b"", None),
    ],
)
def test_other_content_is_named(content, kind):
    assert other_content(content) == kind


@pytest.mark.parametrize(
    ("format_", "brand", "kind"),
    [("HEIF", b"heic", "a HEIC image, which needs"), ("AVIF", b"avif", "an AVIF image, which needs")],
)
def test_a_format_without_its_decoder_is_named(monkeypatch, format_, brand, kind):
    from PIL import Image

    Image.init()
    monkeypatch.delitem(Image.OPEN, format_, raising=False)
    assert other_content(b"\0\0\0\x18ftyp" + brand).startswith(kind)
