import numpy as np
import pytest
from PIL import Image

from srlab.io.array import ArrayReader
from srlab.report.histogram_chart import BAR, BOTTOM, DOWN, HEIGHT, LEFT, RIGHT, TOP, WIDTH, draw
from srlab.report.values import measured


def drawn(path, image):
    """Heights of the bars in each column of the plot of the first channel, in pixels."""
    draw([measured([ArrayReader(image, name="image")])], path, unit="W/m²/sr/µm")
    picture = np.asarray(Image.open(path).convert("RGB"))
    plot = picture[TOP + 1 : HEIGHT - BOTTOM, LEFT + 1 : WIDTH - RIGHT]
    colour = [int(BAR[place : place + 2], 16) for place in (1, 3, 5)]
    return (plot == colour).all(axis=2).sum(axis=0), picture.shape


@pytest.mark.parametrize("highest", [255, 4095, 65535])
def test_evenly_spread_integers_have_bars_of_one_height(tmp_path, highest):
    every = np.arange(highest + 1, dtype=np.uint16)
    image = np.repeat(every, 16)[None, None]
    heights, _ = drawn(tmp_path / "even.png", image)
    inside = heights[heights > 0][8:-8]
    assert inside.size > 0.9 * (WIDTH - LEFT - RIGHT)
    assert np.percentile(inside, 5) > 0.9 * np.percentile(inside, 95)


def test_bars_stand_where_the_values_are(tmp_path):
    random = np.random.default_rng(0)
    image = np.concatenate([random.normal(0, 1, 6000), random.normal(100, 1, 3000)])
    heights, _ = drawn(tmp_path / "two.png", image.astype(np.float32)[None, None])
    left, middle, right = np.array_split(heights, 3)
    assert middle.sum() == 0
    assert 1.6 < left.sum() / right.sum() < 2.4


def test_the_height_of_a_cut_last_bar_stays_inside_the_picture(tmp_path):
    image = np.append(np.arange(256), [255] * 90).astype(np.uint8)[None, None]
    drawn(tmp_path / "cut.png", image)
    picture = np.asarray(Image.open(tmp_path / "cut.png").convert("L"))
    assert (picture[TOP : TOP + DOWN // 4, -RIGHT + 1 :] == 255).all()


def test_each_band_has_a_panel_and_a_constant_or_empty_one_too(tmp_path):
    image = np.ones((3, 4, 5), np.float32)
    image[1], image[2] = np.nan, np.arange(20).reshape(4, 5)
    _, shape = drawn(tmp_path / "three.png", image)
    assert shape == (2 * HEIGHT, 2 * WIDTH, 3)
