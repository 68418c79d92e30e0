import av
import numpy as np
import pytest
import torch

from srlab.degradations import Bicubic, Chain, Exposure, Noise, VideoCompression
from srlab.mistakes import Mistake

ALL = {"h264": [20, 40], "h265": [20, 40], "mpeg4": [2, 20]}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def moving(channels=3, frames=5, height=30, width=43):
    """A smooth clip ``(1, C, T, H, W)`` of 0 to 255 that moves by 2 pixels a frame."""
    small = torch.rand(1, 1, 6, 8, generator=seeded(1)) * torch.tensor([1.0, 0.8, 0.6])[
        :channels
    ].view(1, -1, 1, 1)
    scene = torch.nn.functional.interpolate(small, (height, width + 2 * frames), mode="bicubic")
    clip = [scene[..., 2 * at : 2 * at + width] for at in range(frames)]
    return 255 * torch.stack(clip, dim=2).clamp(0, 1)


def ramp(frames=7):
    """Frames of one pixel whose value is their time."""
    return torch.arange(frames, dtype=torch.float64).view(1, 1, -1, 1, 1)


def test_an_lr_frame_is_the_mean_over_the_time_of_its_shutter():
    cases = [
        (3.0, 1, [1 / 3, 1 / 3, 1 / 3]),
        (2.0, 1, [0.25, 0.5, 0.25]),  # half of the frames beside it
        (2.0, (2, 1, 1), [0.5, 0.5]),  # 360 degrees
        (1.0, (2, 1, 1), [0.5, 0.5]),  # 180 degrees, about the middle
        (1.0, (3, 1, 1), [0.0, 1.0, 0.0]),
        (3.0, (2, 1, 1), [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    ]
    for shutter, scale, weights in cases:
        hr = torch.rand(1, 2, 12, 3, 2, generator=seeded(), dtype=torch.float64)
        exposure = Exposure(shutter=shutter, scale=scale)
        lr = exposure(hr, generator=seeded())
        step = exposure.scale[0]
        first = step - (len(weights) - step) // 2  # of the second LR frame, which meets no end
        expected = sum(w * hr[:, :, first + at] for at, w in enumerate(weights))
        torch.testing.assert_close(lr[:, :, 1], expected)


def test_a_clip_draws_its_shutter_and_ends_go_on():
    hr = ramp().expand(8, 1, -1, 1, 1)
    exposure = Exposure(shutter=[1, 3])
    assert not exposure.linear
    lr = exposure(hr, generator=seeded())
    torch.testing.assert_close(lr[:, :, 1:-1], hr[:, :, 1:-1])  # the middle of a ramp stays
    # A shutter of w frames weighs the neighbours (w - 1) / 2w; the one before the first is as it.
    ends = lr[:, 0, 0, 0, 0]
    assert len(ends.unique()) == 8
    assert ends.min() >= 0
    assert ends.max() <= 1 / 3


@pytest.mark.parametrize("codec", ALL)
def test_a_worse_quality_is_further_from_the_clip(codec):
    hr = moving().round()
    low, high = ALL[codec]
    errors = []
    for quality in (low, high):
        lr = VideoCompression(codecs={codec: quality})(hr, generator=seeded())
        assert lr.shape == hr.shape
        assert lr.min() >= 0
        assert lr.max() <= 255
        errors.append((lr - hr).abs().mean())
    assert 0 < errors[0] < errors[1] < 20
    assert errors[0] < 4


def test_a_clip_is_what_ffmpegs_own_codec_makes_of_it(tmp_path):
    hr = moving(1, frames=4, height=32, width=48).round()  # of greys, whatever the matrix
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "35", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for frame in hr[0, 0].to(torch.uint8).numpy():
            shown = av.VideoFrame.from_ndarray(frame, format="gray")
            container.mux(stream.encode(shown))
        container.mux(stream.encode())
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    expected = torch.from_numpy(np.stack(frames)).float()
    lr = VideoCompression(codecs={"h264": 35})(hr, generator=seeded())[0, 0]
    # ways to convert greys differ by a step or two
    assert (lr - expected).abs().mean() < 0.3 * (lr - hr[0, 0]).abs().mean()


def test_compression_follows_from_the_generator_alone():
    hr = moving(frames=3).expand(6, -1, -1, -1, -1)
    compression = VideoCompression(codecs=ALL)
    lr = compression(hr, generator=seeded())
    assert torch.equal(lr, compression(hr, generator=seeded()))
    assert len({clip.numpy().tobytes() for clip in lr}) > 3


def test_a_picture_is_a_video_of_one_frame():
    hr = moving(channels=1)
    compression = VideoCompression(codecs={"h264": 30}, spatial_dims=2)
    assert compression.scale == (1, 1)
    alone = compression(hr[:, :, 0], generator=seeded())
    clip = VideoCompression(codecs={"h264": 30})(hr[:, :, :1], generator=seeded())
    assert torch.equal(alone, clip[:, :, 0])


def test_gradients_pass_through_compression():
    hr = moving(frames=2).requires_grad_()
    VideoCompression(codecs={"mpeg4": 5})(hr, generator=seeded()).sum().backward()
    assert torch.equal(hr.grad, torch.ones_like(hr))


def test_a_camera_and_its_codec_are_a_chain():
    steps = [
        Exposure(shutter=[1, 3]),
        Bicubic(scale=(1, 2, 2), spatial_dims=3),
        Noise(sigma=3.0, spatial_dims=3),
        VideoCompression(codecs=ALL),
    ]
    chain = Chain(scale=(1, 2, 2), steps=steps, spatial_dims=3)
    assert not chain.linear
    lr = chain(moving(height=40, width=44), generator=seeded())
    assert lr.shape == (1, 3, 5, 20, 22)


def test_what_no_camera_or_codec_does_is_refused():
    cases = [
        (lambda: Exposure(shutter=2, spatial_dims=2), "spatial_dims is 2; set spatial_dims=3"),
        (lambda: Exposure(shutter=2, scale=(1, 2, 2)), "above 1 along time alone"),
        (lambda: Exposure(shutter=1.0), "shutter is 1.0; give the HR frames for which it is open"),
        (lambda: Exposure(shutter=[0, 2]), r"shutter is \[0, 2\]; give the HR frames"),
        (lambda: VideoCompression(codecs={}), "codecs are none; name one or more of h264, h265"),
        (lambda: VideoCompression(codecs={"vp9": 3}), "codecs are vp9; name one or more"),
        (lambda: VideoCompression(codecs={"h264": 60}), "h264 is 60; give a number from 0 to 51"),
        (
            lambda: VideoCompression(codecs=ALL)(torch.zeros(1, 4, 2, 8, 8), generator=seeded()),
            r"it takes \(batch, 1 or 3, T, H, W\), or",
        ),
        (
            lambda: VideoCompression(codecs=ALL)(500 * moving(), generator=seeded()),
            "for values of 0 to 255, and there are values of",
        ),
    ]
    for make, message in cases:
        with pytest.raises(Mistake, match=message):
            make()
