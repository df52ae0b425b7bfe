import io

import numpy as np
import pytest
from PIL import Image

from orchestrator.data.decode_image import UnusableImage, decode_image, plain_image


def _grey(values: np.ndarray, kind: str = "TIFF", **options: object) -> list[int]:
    """Save one row of values, decode the file, and return its red channel."""
    buffer = io.BytesIO()
    Image.fromarray(values[None]).save(buffer, kind, **options)
    return np.asarray(decode_image(buffer.getvalue()))[0, :, 0].tolist()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_clipped(kind: str) -> None:
    assert _grey(np.array([0, 255, 256, 0x8000, 0xFFFF], np.uint16), kind) == [0, 0, 1, 128, 255]


def test_16_bits_of_the_other_byte_order_are_the_same() -> None:
    image = Image.frombytes("I;16B", (2, 1), b"\x80\x00\x01\xff")
    assert np.asarray(plain_image(image))[0, :, 0].tolist() == [128, 1]


def test_16_bits_in_a_portable_graymap_are_scaled_even_if_all_are_small() -> None:
    content = b"P5 2 1 65535\n\x00\xff\x00\x00"
    assert np.asarray(decode_image(content))[0, :, 0].tolist() == [0, 0]


def test_12_bits_are_scaled() -> None:
    content = bytearray(_tiff(np.array([0, 0, 0], np.uint16)))
    # The file as 12 bits, two values in three bytes: 0xFFF, 0x800.
    pixels = b"\xff\xf8\x00"
    at = _strip(bytes(content))
    content[at : at + 3] = pixels
    content = bytearray(_with_tag(bytes(content), 256, 2))
    content = bytearray(_with_tag(bytes(content), 258, 12))
    content = bytearray(_with_tag(bytes(content), 279, 3))
    assert np.asarray(decode_image(bytes(content)))[0, :, 0].tolist() == [255, 128]


def test_16_bits_of_which_0_is_white_are_inverted() -> None:
    content = _with_tag(_tiff(np.array([0, 0xFFFF], np.uint16)), 262, 0)
    assert np.asarray(decode_image(content))[0, :, 0].tolist() == [255, 0]


def test_a_transparent_16_bit_grey_is_white() -> None:
    assert _grey(np.array([0, 40000, 40001], np.uint16), "PNG", transparency=40000) == [0, 255, 156]


@pytest.mark.parametrize(
    ("values", "expected"), [([0, 100, 255], [0, 100, 255]), ([0, 256, 0xFFFF], [0, 1, 255]), ([0, 0], [0, 0])]
)
def test_32_bits_are_read_by_their_range(values: list[int], expected: list[int]) -> None:
    assert _grey(np.array(values, np.int32)) == expected


@pytest.mark.parametrize("values", [[-1, 5], [0, 0x10000]])
def test_32_bits_of_no_known_range_are_refused(values: list[int]) -> None:
    with pytest.raises(UnusableImage, match="^a 32-bit image with values outside 0 to 65535$"):
        _grey(np.array(values, np.int32))


@pytest.mark.parametrize(
    ("values", "expected"), [([0, 0.5, 1], [0, 128, 255]), ([0, 1.5, 255], [0, 1, 255]), ([0, 0], [0, 0])]
)
def test_floats_are_read_by_their_range(values: list[float], expected: list[int]) -> None:
    assert _grey(np.array(values, np.float32)) == expected


@pytest.mark.parametrize("values", [[-0.1, 1], [0, 256], [0, float("nan")], [float("nan"), 0], [0, float("inf")]])
def test_floats_of_no_known_range_are_refused(values: list[float]) -> None:
    with pytest.raises(UnusableImage, match="^a float image with values outside 0 to 255$"):
        _grey(np.array(values, np.float32))


def _tiff(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values[None]).save(buffer, "TIFF")
    return buffer.getvalue()


def _strip(content: bytes) -> int:
    with Image.open(io.BytesIO(content)) as image:
        return int(image.tag_v2[273][0])


def _with_tag(content: bytes, tag: int, value: int) -> bytes:
    """Return a little-endian TIFF in which a tag has another value."""
    start = int.from_bytes(content[4:8], "little")
    changed = bytearray(content)
    for entry in range(int.from_bytes(content[start : start + 2], "little")):
        at = start + 2 + 12 * entry
        if int.from_bytes(content[at : at + 2], "little") == tag:
            size = 2 if content[at + 2] == 3 else 4
            changed[at + 8 : at + 8 + size] = value.to_bytes(size, "little")
            return bytes(changed)
    raise KeyError(tag)
