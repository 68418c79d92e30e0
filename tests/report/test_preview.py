"""The middle of an output beside that of its input."""

import numpy as np
import pytest
from PIL import Image

from srlab.io.array import ArrayReader
from srlab.report import preview


@pytest.mark.parametrize(("shape", "scale"), [((30, 40), (2, 3)), ((5, 30, 40), (3, 1, 2))])
def test_both_sides_show_the_same_place(tmp_path, monkeypatch, shape, scale):
    monkeypatch.setattr(preview, "SIDE", 24)
    lr = np.random.default_rng(0).uniform(0, 200, (1, *shape)).astype(np.float32)
    sr = lr
    for axis, factor in enumerate(scale, start=1):
        sr = sr.repeat(factor, axis=axis)
    both = np.concatenate([sr, sr])  # a channel that the output lacks comes first
    path = tmp_path / "preview.png"
    preview.write_preview(
        ArrayReader(np.concatenate([0 * lr, lr])), ArrayReader(both[:1]), path, continued=(1,)
    )
    picture = np.asarray(Image.open(path).convert("L"))
    width = (picture.shape[1] - 8) // 2
    below_caption = picture[28 : 28 + 24 // scale[-2] * scale[-2]]
    left, right = below_caption[:, :width], below_caption[:, width + 8 :]
    np.testing.assert_array_equal(left, right)
    assert left.std() > 20


def test_small_bright_things_before_a_dark_ground_are_not_cut(tmp_path):
    picture = np.random.default_rng(0).normal(150, 10, (1, 100, 100)).astype(np.float32)
    picture[0, 40:60, 40:60] = np.linspace(10_000, 30_000, 400).reshape(20, 20)  # 4 % of all
    path = tmp_path / "preview.png"
    preview.write_preview(ArrayReader(picture), ArrayReader(picture), path, continued=None)
    shown = np.asarray(Image.open(path).convert("L"))[28 + 40 : 28 + 60, 40:60]
    assert (shown == 255).mean() < 0.02
    assert (shown > 128).mean() > 0.5
