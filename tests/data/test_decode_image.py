import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from orchestrator.data.decode_image import (
    UnusableImage,
    decode_image,
    decoder_identity,
    open_image,
    plain_image,
    readable_suffixes,
)


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (200, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.save(tmp_path / "a.png")
    opened = open_image(tmp_path / "a.png")
    assert opened.mode == "RGB"
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(200, 0, 0), (255, 255, 255)]


def test_transparent_palette_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (1, 1), 0)
    image.putpalette([10, 20, 30])
    image.save(tmp_path / "a.png", transparency=0)
    assert open_image(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_applies_it(orientation: int, kind: str) -> None:
    from PIL import ImageOps

    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    content = _encoded(Image.fromarray(pixels), kind, exif=_turned(orientation))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    opened = decode_image(content)
    assert opened.size == ((16, 8) if orientation < 5 else (8, 16))
    assert np.array_equal(np.asarray(opened), np.asarray(expected))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_nothing_but_pixels_is_left(kind: str, orientation: int) -> None:
    content = _encoded(Image.new("RGB", (30, 20)), kind, exif=_turned(orientation), icc_profile=b"profile")
    opened = decode_image(content)
    assert (opened.mode, opened.info, dict(opened.getexif())) == ("RGB", {}, {})
    assert opened.size == ((20, 30) if orientation == 6 else (30, 20))


def test_an_image_in_memory_keeps_its_metadata() -> None:
    image = Image.new("RGB", (3, 2))
    image.info["note"] = "kept"
    assert plain_image(image) is not image and plain_image(image).info == {} and image.info == {"note": "kept"}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0not a TIFF header",
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20),
        b"Exif\0\0",
    ],
)
def test_a_damaged_exif_block_does_not_cost_the_pixels(block: bytes) -> None:
    image = Image.linear_gradient("L").resize((16, 8))
    plain, damaged = (_encoded(image, "JPEG", exif=exif) for exif in (b"", block))
    assert np.array_equal(np.asarray(decode_image(damaged)), np.asarray(decode_image(plain)))


def test_an_exif_block_that_cannot_be_written_again_still_turns_the_image() -> None:
    # Orientation 6, and an image width of type "long" whose value Pillow cannot write: a string.
    entries = b"\x12\x01\x03\x00\x01\0\0\0\x06\0\0\0" + b"\x00\x01\x02\x00\x03\0\0\0ab\0\0"
    block = b"Exif\0\0II*\0\x08\0\0\0" + b"\x02\0" + entries + bytes(4)
    assert decode_image(_encoded(Image.new("RGB", (16, 8)), "JPEG", exif=block)).size == (8, 16)


@pytest.mark.parametrize("compressed", [False, True])
def test_long_text_in_a_png_does_not_cost_the_pixels(compressed: bool) -> None:
    text = PngInfo()
    text.add_itxt("workflow", "x" * 3_000_000, zip=compressed)
    image = Image.linear_gradient("L")
    content = _encoded(image, "PNG", pnginfo=text)
    assert np.array_equal(np.asarray(decode_image(content)), np.asarray(image.convert("RGB")))


def test_an_opened_image_is_converted_as_its_file_is() -> None:
    image = Image.linear_gradient("L").resize((16, 8))
    for content in (
        _encoded(image.convert("RGBA"), "PNG", exif=_turned(6)),
        _encoded(image.convert("CMYK"), "TIFF", exif=_turned(8)),
    ):
        with Image.open(io.BytesIO(content)) as opened:
            assert np.array_equal(np.asarray(plain_image(opened)), np.asarray(decode_image(content)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "YCbCr", "LAB"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = {"CMYK": "JPEG", "YCbCr": "JPEG", "LAB": "TIFF"}.get(mode, "PNG")
    assert open_image(io.BytesIO(_encoded(Image.new(mode, (4, 3)), kind))).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_cut_off_files_are_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = _encoded(noise, kind)
    with pytest.raises(UnusableImage, match="truncated|unreadable"):
        decode_image(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("kind", "reason"), [("GIF", "animated"), ("PNG", "animated"), ("WEBP", "animated"), ("TIFF", "multi-page")]
)
def test_several_frames_are_refused(kind: str, reason: str) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    content = _encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(UnusableImage, match=f"^{reason}$"):
        decode_image(content)
    with Image.open(io.BytesIO(content)) as opened, pytest.raises(UnusableImage, match=f"^{reason}$"):
        plain_image(opened)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [100, 399])  # Pillow raises above twice its limit and warns above it
def test_decompression_bombs_are_refused(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    content = _encoded(Image.new("RGB", (20, 20)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(UnusableImage, match="^too large$"):
        decode_image(content)


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), TypeError("x"), NotImplementedError(), zlib.error("x"), AssertionError(), KeyError(1)]
)
def test_whatever_a_decoder_raises_is_a_reason(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise error

    content = _encoded(Image.new("RGB", (4, 4)), "BMP")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(UnusableImage, match="^unreadable$"):
        decode_image(content)


def test_an_image_that_does_not_fit_the_memory_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(UnusableImage, match="^too large$"):
        decode_image(_encoded(Image.new("RGB", (4, 4)), "BMP"))


def test_an_interruption_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(KeyboardInterrupt):
        decode_image(_encoded(Image.new("RGB", (4, 4)), "BMP"))


def test_ghostscript_is_never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("started"))
    with pytest.raises(UnusableImage, match="^a PostScript drawing$"):
        decode_image(_encoded(Image.new("RGB", (4, 4)), "EPS"))


def test_missing_and_foreign_files_have_their_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image", encoding="utf-8")
    with pytest.raises(UnusableImage, match="^unreadable$"):
        open_image(tmp_path / "a.png")
    with pytest.raises(UnusableImage, match="^missing$"):
        open_image(tmp_path / "b.png")


def test_the_decoder_names_the_version_of_pillow() -> None:
    from PIL import __version__

    assert f"pillow {__version__}" in decoder_identity()


def test_a_heic_file_is_decoded_and_found_if_its_package_is_installed() -> None:
    pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: HEIC was NOT tested")
    assert {".png", ".avif", ".heic", ".tiff"} <= readable_suffixes() and ".eps" not in readable_suffixes()
    image = Image.linear_gradient("L").convert("RGB")
    decoded = decode_image(_encoded(image, "HEIF", quality=95))
    assert np.abs(np.asarray(decoded).astype(int) - np.asarray(image)).max() < 16
