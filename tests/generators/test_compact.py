import pytest
from networks import close, conv_size, convolution, image, randomised, size_of
from torch.nn import functional as F

from srlab.generators import Compact


def published_parameters(*, channels, blocks, dims=2, image_channels=3, cells=16):
    """SRVGGNetCompact of Real-ESRGAN: a slope a channel after every convolution but the last."""
    inner = blocks * (conv_size(channels, channels, dims=dims) + channels)
    tail = conv_size(channels, image_channels * cells, dims=dims)
    return conv_size(image_channels, channels, dims=dims) + channels + inner + tail


def reference(x, state, *, blocks, scale, mode):
    conv = convolution(state)

    def prelu(name, x):
        return x.clamp(min=0) + state[f"{name}.weight"][:, None, None] * x.clamp(max=0)

    deep = prelu("head.1", conv("head.0", x))
    for i in range(blocks):
        deep = prelu(f"trunk.{i}.1", conv(f"trunk.{i}.0", deep))
    options = {} if mode == "nearest" else {"align_corners": False}
    skip = F.interpolate(x, scale_factor=scale, mode=mode, **options)
    return F.pixel_shuffle(conv("tail.0", deep), scale) + skip


@pytest.mark.parametrize(
    ("options", "blocks", "expected"), [({}, 16, 621_424), ({"blocks": 32}, 32, 1_213_296)]
)
def test_size_is_the_published_one(options, blocks, expected):
    assert published_parameters(channels=64, blocks=blocks) == expected
    assert size_of(Compact, **options) == expected


def test_size_of_a_small_3d_network_follows_from_its_layers():
    small = {"channels": 6, "blocks": 2}
    expected = published_parameters(**small, dims=3, image_channels=2, cells=16)
    network = {"in_channels": 2, "out_channels": 2, "scale": (1, 4, 4), "spatial_dims": 3}
    assert size_of(Compact, **network, **small) == expected


@pytest.mark.parametrize(
    ("scale", "options", "mode"), [(3, {}, "nearest"), (4, {"skip": "linear"}, "bilinear")]
)
def test_forward_matches_plain_convolutions(scale, options, mode):
    size = {"in_channels": 3, "out_channels": 3, "channels": 6, "blocks": 2}
    network, x = randomised(Compact(scale=scale, **size, **options)), image(6, 5)
    close(network(x), reference(x, network.state_dict(), blocks=2, scale=scale, mode=mode))
