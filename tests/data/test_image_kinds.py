"""Treatment of every kind of image file in the table of docs/data.md, the same in check, sweep and score."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from models.encoders.preprocessing import to_pixels
from orchestrator.core.errors import InputError
from orchestrator.data.decode_image import UnusableImage
from orchestrator.data.extraction import decode_images
from orchestrator.data.verify_images import verify_images
from orchestrator.scoring.image_input import open_image_input

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
RGB = Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8))
GREY = RGB.convert("L")

Maker = Callable[[Path], None]


def _file(image: Image.Image, kind: str, **options: object) -> Maker:
    def make(path: Path) -> None:
        image.save(path, kind, **options)

    return make


def _content(content: bytes) -> Maker:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def _values(dtype: type[np.generic], low: float, high: float, kind: str = "TIFF") -> Maker:
    return _file(Image.fromarray(np.linspace(low, high, 192).reshape(12, 16).astype(dtype)), kind)


def _halved(image: Image.Image, kind: str) -> Maker:
    def make(path: Path) -> None:
        buffer = io.BytesIO()
        image.save(buffer, kind)
        path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])

    return make


def _frames(kind: str, **options: object) -> Maker:
    return _file(RGB, kind, save_all=True, append_images=[RGB.transpose(Image.Transpose.ROTATE_180)], **options)


def _heic(path: Path) -> None:
    pytest.importorskip(
        "pillow_heif", reason="pillow-heif is not installed: HEIC was NOT tested"
    ).register_heif_opener()
    RGB.save(path, "HEIF")


def _layered(path: Path) -> None:
    """Write a PSD with two empty layers and 1×1 pixels of three channels."""
    layer = bytes(16) + b"\0\0" + b"8BIMnorm" + bytes(4) + b"\0\0\0\0"
    layers = b"\0\2" + 2 * layer
    section = len(layers).to_bytes(4, "big") + layers
    head = b"8BPS\0\1" + bytes(6) + b"\0\3" + (1).to_bytes(4, "big") * 2 + b"\0\x08\0\3"
    path.write_bytes(head + bytes(8) + len(section).to_bytes(4, "big") + section + b"\0\0" + b"\x10\x20\x30")


def _text() -> PngInfo:
    text = PngInfo()
    text.add_itxt("workflow", "x" * 2_000_000, zip=True)
    return text


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


USED = None
KINDS: dict[str, list[tuple[Maker, str | None]]] = {
    "8-bit grey, RGB, palette, bilevel, YCbCr, LAB": [
        (_file(GREY, "PNG"), USED),
        (_file(RGB, "PNG"), USED),
        (_file(RGB.quantize(8), "GIF"), USED),
        (_file(GREY.convert("1"), "BMP"), USED),
        (_file(RGB, "JPEG"), USED),
        (_file(Image.new("LAB", (4, 4)), "TIFF"), USED),
    ],
    "CMYK": [(_file(RGB.convert("CMYK"), "JPEG"), USED), (_file(RGB.convert("CMYK"), "TIFF"), USED)],
    "transparency: alpha, in a palette, one colour": [
        (_file(RGB.convert("RGBA"), "WEBP"), USED),
        (_file(RGB.quantize(8), "PNG", transparency=bytes(range(0, 256, 32))), USED),
        (_file(RGB, "PNG", transparency=(9, 9, 9)), USED),
    ],
    "16 bits, 12-bit TIFF": [(_values(np.uint16, 0, 65535, "PNG"), USED), (_values(np.uint16, 0, 65535), USED)],
    "32-bit integers": [
        (_values(np.int32, 0, 255), USED),
        (_values(np.int32, 0, 65535), USED),
        (_values(np.int32, -9, 9), "a 32-bit image with values outside 0 to 65535"),
    ],
    "float": [
        (_values(np.float32, 0, 1), USED),
        (_values(np.float32, 0, 255), USED),
        (_values(np.float32, -1, 1), "a float image with values outside 0 to 255"),
    ],
    "turned by EXIF": [(_file(RGB, kind, exif=_exif()), USED) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")],
    "damaged EXIF": [(_file(RGB, "JPEG", exif=b"Exif\0\0not a TIFF"), USED)],
    "long text, such as a workflow, in a PNG": [(_file(RGB, "PNG", pnginfo=_text()), USED)],
    "animated GIF, WebP, PNG, AVIF": [(_frames(kind), "animated") for kind in ("GIF", "WEBP", "PNG", "AVIF")],
    "multi-page TIFF": [(_frames("TIFF"), "multi-page"), (_frames("TIFF", compression="tiff_lzw"), "multi-page")],
    "layers (PSD)": [(_layered, "layered")],
    "preview, second lens or burst in one photograph (MPO, HEIC)": [(_frames("MPO"), USED)],
    "more than 89 million pixels": [(_content(b"P5 9500 9500 255\n"), "too large")],
    "1×1, elongated": [(_file(Image.new("RGB", size), "PNG"), USED) for size in ((1, 1), (1, 4000), (4000, 1), (3, 2))],
    "AVIF": [(_file(RGB, "AVIF"), USED)],
    "HEIC": [(_heic, USED)],
    "cut off": [
        (_halved(RGB, "BMP"), "truncated"),
        (_halved(RGB.resize((64, 64)), "PNG"), "truncated"),
        (_halved(RGB, "WEBP"), "unreadable"),
    ],
    "damaged": [(_content(b"\x89PNG\r\n\x1a\n" + bytes(99)), "unreadable"), (_content(b""), "unreadable")],
    "no image": [
        (_content(b"<!doctype html><p>Not found"), "a web page"),
        (_content(b"version https://git-lfs.github.com/spec/v1\n"), "a Git LFS pointer"),
        (_content(b"%PDF-1.7"), "a PDF"),
        (_content(b"<svg></svg>"), "a vector drawing"),
        (_content(b"%!PS-Adobe"), "a PostScript drawing"),
        (_content(b"hello"), "unreadable"),
    ],
    "no file": [
        (lambda path: None, "missing"),
        (lambda path: path.symlink_to("nothing"), "a link to a missing file"),
        (lambda path: path.mkdir(), "a folder"),
        (lambda path: os.mkfifo(path), "a pipe or device"),
    ],
}


def _documented() -> list[str]:
    table = PAGE.read_text(encoding="utf-8").partition("| image file | treatment |\n")[2].partition("\n\n")[0]
    return [line.split("|")[1].strip() for line in table.splitlines()[1:]]


def test_every_documented_kind_is_tested() -> None:
    assert _documented() == list(KINDS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(make, reason, id=f"{kind}-{number}")
        for kind, examples in KINDS.items()
        for number, (make, reason) in enumerate(examples)
    ],
)
def test_check_sweep_and_score_treat_it_alike(make: Maker, reason: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.png"  # whatever its suffix, the content decides
    make(path)
    (check,) = verify_images([path], tmp_path)
    if reason is not None:
        with pytest.raises(UnusableImage, match=f"^{reason}$"):
            open_image_input(str(path))
        assert check.reason == reason
        with pytest.raises(InputError, match=f"The image .*x.png was fine when it was checked and is {reason} now"):
            list(decode_images(8, [str(path)]))
        return
    assert check.reason is None
    image = open_image_input(str(path))
    assert image.mode == "RGB" and not image.info
    (block,) = decode_images(8, [str(path)])
    assert np.array_equal(block["pixels"][0], to_pixels(image, 8))
    assert np.array_equal(np.asarray(open_image_input(path.read_bytes())), np.asarray(image))
