"""Every command of the page on videos, in its order, on small clips."""

from pathlib import Path

import numpy as np
import pytest
import torch
from clips import clip
from page_commands import SMALL_ADVERSARY, SMALL_GENERATOR, commands, run
from PIL import Image
from scipy.ndimage import zoom

SMALL = ["data.validation_views=1", *SMALL_GENERATOR, *SMALL_ADVERSARY]


def frames(seed, count=16, side=112):
    """Frames ``(T, H, W, 3)`` of a camera that moves over blots of colour."""
    blots = np.random.default_rng(seed).uniform(0, 255, (12, 14, 3))
    picture = zoom(blots, (side / 10, side / 10, 1), order=1)
    return np.stack([picture[at : at + side, at : at + side] for at in range(count)]).astype("u1")


def published(path, channels=8, scale=4):
    """Save random weights by the names that Real-ESRGAN's compact networks have."""
    random = torch.Generator().manual_seed(0)
    sizes = [(channels, 3), (channels, channels), (3 * scale**2, channels)]
    state = {}
    for place, (to, of) in enumerate(sizes):
        state[f"body.{2 * place}.weight"] = torch.randn(to, of, 3, 3, generator=random) / 30
        state[f"body.{2 * place}.bias"] = torch.zeros(to)
    for place in (1, 3):
        state[f"body.{place}.weight"] = torch.full((channels,), 0.2)
    torch.save({"params": state}, path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """All files that the page's commands name."""
    monkeypatch.chdir(tmp_path)
    published("realesr-animevideov3.pth")
    clip("clip.mp4", frames=frames(0, 6)[:, :40, :64], sound="aac")
    Path("CLIPS").mkdir()
    for number in range(2):
        clip(f"CLIPS/{number}.mp4", frames=frames(number))
        folder = Path("FRAMES", str(number))
        folder.mkdir(parents=True)
        for place, frame in enumerate(frames(number, 3)):
            Image.fromarray(frame).save(folder / f"{place}.png")
    run(["python", "-m", "srlab.train", "data=video", "data.root=CLIPS", "scale=2"], SMALL)


@pytest.mark.slow
def test_every_command_of_the_page_runs(files):
    lines = [*commands("video.md")]
    assert len(lines) > 8
    for words in lines:
        run(words, SMALL)
