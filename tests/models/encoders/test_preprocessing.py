import numpy as np
import pytest
from PIL import Image

from models.encoders import preprocessing
from models.encoders.preprocessing import to_cropped_pixels, to_pixels


@pytest.fixture
def tall_strip():
    down, across = np.mgrid[:400, :3]
    return Image.fromarray(np.stack([down / 2, across * 90, (down + across) / 3], -1).astype(np.uint8))


@pytest.mark.parametrize("size", [(40, 30), (1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("convert", [to_pixels, to_cropped_pixels])
def test_any_shape_becomes_a_square(convert, size):
    pixels = convert(Image.new("RGB", size, (9, 99, 199)), 32)
    assert pixels.shape == (3, 32, 32) and pixels.dtype == np.uint8 and pixels.flags.c_contiguous
    assert (pixels == np.array([9, 99, 199])[:, None, None]).all()


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("convert", [to_pixels, to_cropped_pixels])
def test_other_modes_are_refused_because_the_decoder_has_the_rules_for_them(convert, mode):
    with pytest.raises(ValueError, match="decode it with orchestrator.data.open_image"):
        convert(Image.new(mode, (4, 4)), 32)


def test_nothing_is_cropped():
    wide = Image.new("RGB", (400, 100))
    wide.paste((255, 255, 255), (0, 0, 40, 100))
    wide.paste((255, 255, 255), (360, 0, 400, 100))
    pixels = to_pixels(wide, 64)
    assert (pixels[:, :, 0] > 250).all() and (pixels[:, :, -1] > 250).all() and (pixels[:, :, 32] < 5).all()


def test_an_image_of_the_right_size_is_left_alone():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert (to_pixels(Image.fromarray(noise), 64) == noise.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("convert", [to_pixels, to_cropped_pixels])
@pytest.mark.parametrize("turned", [False, True])
def test_a_long_strip_is_resized_in_two_steps(convert, turned, tall_strip, monkeypatch):
    strip = tall_strip.transpose(Image.Transpose.TRANSPOSE) if turned else tall_strip
    expected = convert(strip, 16)
    monkeypatch.setattr(preprocessing, "_LARGEST_INTERMEDIATE", 100)
    monkeypatch.setattr(preprocessing, "_LONGEST_SIDE", 100)
    np.testing.assert_allclose(convert(strip, 16).astype(int), expected.astype(int), atol=1)


@pytest.mark.parametrize("size", [(80_000_000, 1), (1, 2_000_000)])
def test_the_longest_strips_that_the_decoder_accepts_are_resized(size):
    image = Image.new("RGB", size, (9, 99, 199))
    for convert in (to_pixels, to_cropped_pixels):
        assert (convert(image, 384) == np.array([9, 99, 199])[:, None, None]).all()
