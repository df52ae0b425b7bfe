import numpy as np
import pytest
from PIL import Image

from models.encoders.preprocessing import to_pixels


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "CMYK", "1", "I;16"])
def test_any_mode_becomes_rgb(mode):
    pixels = to_pixels(Image.new(mode, (40, 30)), 32)
    assert pixels.shape == (3, 32, 32) and pixels.dtype == np.uint8 and pixels.flags.c_contiguous


def test_transparent_pixels_become_white():
    half_red = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    np.testing.assert_allclose(to_pixels(half_red, 8)[:, 0, 0], (255, 127, 127), atol=1)
    assert (to_pixels(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), 8) == 255).all()


def test_sixteen_bit_grey_is_scaled_not_clipped():
    grey = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))
    assert (to_pixels(grey, 8) == 0x80).all()


def test_nothing_is_cropped():
    wide = Image.new("RGB", (400, 100))
    wide.paste((255, 255, 255), (0, 0, 40, 100))
    wide.paste((255, 255, 255), (360, 0, 400, 100))
    pixels = to_pixels(wide, 64)
    assert (pixels[:, :, 0] > 250).all() and (pixels[:, :, -1] > 250).all() and (pixels[:, :, 32] < 5).all()


def test_an_image_of_the_right_size_is_left_alone():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert (to_pixels(Image.fromarray(noise), 64) == noise.transpose(2, 0, 1)).all()


def test_image_is_rotated_by_its_exif_tag():
    image = Image.new("RGB", (8, 8))
    image.paste((255, 255, 255), (0, 0, 4, 8))  # left half white
    image.getexif()[0x0112] = 6  # to be shown turned by 90° clockwise: white on top
    pixels = to_pixels(image, 8)
    assert (pixels[:, :4] == 255).all() and (pixels[:, 4:] == 0).all()
