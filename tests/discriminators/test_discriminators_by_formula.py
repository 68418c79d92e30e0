"""Each discriminator against its paper: forward pass, number of parameters, receptive field."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from srlab.discriminators import (
    ESRGANDiscriminator,
    MultiscaleDiscriminator,
    PatchGANDiscriminator,
    UNetDiscriminator,
)

CONVOLUTION = {2: F.conv2d, 3: F.conv3d}
AFFINE = ("weight", "bias")
NORMS = nn.modules.batchnorm._BatchNorm | nn.modules.instancenorm._InstanceNorm


def settled(kind, **arguments):
    """A float64 network with random statistics and converged power iterations, in eval mode."""
    torch.manual_seed(0)
    network = kind(in_channels=3, **arguments).double()
    for module in network.modules():
        if isinstance(module, NORMS):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                if tensor is not None:
                    tensor.data.uniform_(0.3, 1.5)
        if nn.utils.parametrize.is_parametrized(module, "weight"):
            # moving all weights alike raises one singular value, so that the iteration is short
            module.parametrizations.weight.original.data.add_(0.5)
            for _ in range(60):
                _ = module.weight
    return network.eval()


def kinds(network):
    """The normalisations in a state, by what only they keep."""
    names = network.state_dict().keys()
    norms = {
        name.rpartition(".")[0] for name in names if name.endswith(".1.bias") and ".1." in name
    }
    found = {
        "batch": any(name.endswith("running_var") for name in names),
        "instance": any(f"{norm}.running_var" not in names for norm in norms),
        "spectral": any(name.endswith("weight.0._u") for name in names),
    }
    return {kind for kind, there in found.items() if there}


def judges(network, image, logits, features):
    judgement = network(image)
    torch.testing.assert_close(judgement.logits, tuple(logits))
    torch.testing.assert_close(judgement.features, tuple(features))


def leaky(x):
    return torch.maximum(x, 0.2 * x)


def weight(state, name):
    """The stored weight, divided by its largest singular value if it is spectrally normalised."""
    original = state.get(f"{name}.parametrizations.weight.original")
    if original is None:
        return state[f"{name}.weight"]
    return original / torch.linalg.matrix_norm(original.flatten(1), ord=2)


def convolved(x, state, name, stride):
    w = weight(state, name)
    return CONVOLUTION[x.ndim - 2](x, w, state.get(f"{name}.bias"), stride, 1)


def rescaled(x, state, name):
    """Batch norm in eval mode where there are running statistics, instance norm otherwise."""
    if f"{name}.weight" not in state:
        return x
    spatial = tuple(range(2, x.ndim))
    own = {key: state[f"{name}.{key}"].view(1, -1, *[1] * len(spatial)) for key in AFFINE}
    mean, var = x.mean(spatial, keepdim=True), x.var(spatial, keepdim=True, correction=0)
    if f"{name}.running_mean" in state:
        mean, var = (state[f"{name}.running_{key}"].view_as(own["bias"]) for key in ("mean", "var"))
    return (x - mean) / (var + 1e-5).sqrt() * own["weight"] + own["bias"]


def patchgan(x, state, layers, prefix=""):
    features = []
    for i, stride in enumerate([2] * layers + [1]):
        x = convolved(x, state, f"{prefix}stages.{i}.0", stride)
        x = leaky(rescaled(x, state, f"{prefix}stages.{i}.1"))
        features.append(x)
    return convolved(x, state, f"{prefix}head.0", 1), features


def linearly_resized(x, size):
    """Linear interpolation between pixel centres at half integers, constant at the border."""
    for axis, target in enumerate(size, start=2):
        source = x.shape[axis]
        position = (torch.arange(target, dtype=x.dtype) + 0.5) * source / target - 0.5
        distance = position.clamp(0, source - 1)[:, None] - torch.arange(source, dtype=x.dtype)
        matrix = (1 - distance.abs()).clamp(min=0)
        x = torch.tensordot(x, matrix, dims=([axis], [1])).movedim(-1, axis)
    return x


def averaged(x):
    """Means over 3 taps at every other pixel, of the pixels inside the image."""
    ones = torch.ones(x.shape[1], 1, *[3] * (x.ndim - 2), dtype=x.dtype)

    def sums(y):
        return CONVOLUTION[x.ndim - 2](y, ones, None, 2, 1, 1, x.shape[1])

    return sums(x) / sums(torch.ones_like(x))


@pytest.mark.parametrize(
    ("kind", "dims"), [("batch", 2), ("instance", 3), ("spectral", 2), ("spectral", 3), ("none", 2)]
)
def test_patchgan_is_the_papers(dims, kind):
    network = settled(
        PatchGANDiscriminator, spatial_dims=dims, channels=4, layers=2, normalisation=kind
    )
    image = torch.randn(2, 3, *(17, 22, 13)[:dims], dtype=torch.float64)
    logits, features = patchgan(image, network.state_dict(), 2)
    assert kinds(network) == {kind} - {"none"}
    judges(network, image, [logits], features)


@pytest.mark.parametrize(("kind", "dims"), [("instance", 2), ("spectral", 3)])
def test_multiscale_heads_are_patchgans_that_see_the_averaged_image(dims, kind):
    network = settled(
        MultiscaleDiscriminator, spatial_dims=dims, channels=2, layers=1, normalisation=kind
    )
    image = torch.randn(2, 3, *(27, 22, 21)[:dims], dtype=torch.float64)
    logits, features = [], []
    for head, seen in enumerate((image, averaged(image), averaged(averaged(image)))):
        of_one = patchgan(seen, network.state_dict(), 1, f"heads.{head}.")
        logits.append(of_one[0])
        features += of_one[1]
    assert kinds(network) == {kind} - {"none"}
    judges(network, image, logits, features)
    assert not torch.equal(*(network.heads[i].head[0].weight for i in range(2)))


@pytest.mark.parametrize(("kind", "dims"), [("batch", 3), ("spectral", 2), ("none", 2)])
def test_esrgan_is_the_papers(dims, kind):
    # 16 pixels and two halvings leave the 4×4 cells that crops of 128 leave after five
    sizes = {"channels": 4, "layers": 2, "dense_channels": 5}
    network = settled(ESRGANDiscriminator, spatial_dims=dims, normalisation=kind, **sizes)
    state = network.state_dict()
    image = x = torch.randn(2, 3, *[16] * dims, dtype=torch.float64)
    features = []
    for i in range(2):
        x = leaky(rescaled(convolved(x, state, f"before.{i}.0", 1), state, f"before.{i}.1"))
        features.append(x)
        halved = convolved(x, state, f"downsamplings.{i}.0", 2)
        x = leaky(rescaled(halved, state, f"downsamplings.{i}.1"))
    assert x.shape[2:] == (4,) * dims
    hidden = leaky(x.flatten(1) @ weight(state, "classifier.2").T + state["classifier.2.bias"])
    logit = hidden @ weight(state, "classifier.4").T + state["classifier.4.bias"]
    assert kinds(network) == {kind} - {"none"}
    judges(network, image, [logit], features)


@pytest.mark.parametrize("crop", [(16, 24), (13, 18), (8, 16, 8), (9, 11, 8)], ids=str)
def test_unet_is_the_papers(crop):
    network = settled(UNetDiscriminator, spatial_dims=len(crop), channels=2)
    state = network.state_dict()
    image = torch.randn(2, 3, *crop, dtype=torch.float64)
    down = [leaky(convolved(image, state, "stem.0", 1))]
    for i in range(3):
        down.append(leaky(convolved(down[-1], state, f"encoder.{i}.0", 2)))
    features = list(down)
    for i, skip in enumerate((down[2], down[1], down[0])):
        up = linearly_resized(features[-1], skip.shape[2:])
        if not any(side % 8 for side in crop):  # where the paper doubles
            mode = {2: "bilinear", 3: "trilinear"}[len(crop)]
            torch.testing.assert_close(up, F.interpolate(features[-1], scale_factor=2, mode=mode))
        features.append(leaky(convolved(up, state, f"decoder.{i}.0", 1)) + skip)
    for i in range(2):
        features.append(leaky(convolved(features[-1], state, f"tail.{i}.0", 1)))
    judges(network, image, [convolved(features[-1], state, "head", 1)], features)


@pytest.mark.parametrize(
    ("kind", "arguments", "free"),
    [
        (PatchGANDiscriminator, {"normalisation": "spectral"}, 0),
        (ESRGANDiscriminator, {"normalisation": "spectral", "dense_channels": 4}, 0),
        (UNetDiscriminator, {}, 2),  # the first and the last convolution
    ],
    ids=["patchgan", "esrgan", "unet"],
)
def test_largest_singular_value_of_each_layer_is_one_but_for_the_papers_exceptions(
    kind, arguments, free
):
    network = settled(kind, channels=4, layers=2, **arguments)
    sigmas = [
        torch.linalg.matrix_norm(module.weight.flatten(1), ord=2)
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    assert sum(abs(sigma - 1) > 1e-6 for sigma in sigmas) == free


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_patchgan_judges_patches_of_the_papers_sizes(layers, field):
    """Isola et al. 2017, sec. 6.1.2, measured by the gradient of one logit amid the image."""
    sizes = {"in_channels": 1, "channels": 1, "layers": layers}
    network = PatchGANDiscriminator(**sizes, normalisation="none").double()
    for parameter in network.parameters():
        parameter.data.uniform_(0.5, 1.0)  # positive, so that nothing cancels
    image = torch.rand(1, 1, 192, 192, dtype=torch.float64, requires_grad=True)
    logits = network(image).logits[0]
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = image.grad[0, 0] != 0
    assert seen.any(0).sum() == seen.any(1).sum() == field
    assert seen.sum() == field**2


@pytest.mark.parametrize(
    ("kind", "deepest"),
    [(PatchGANDiscriminator, -1), (ESRGANDiscriminator, -1), (UNetDiscriminator, 5)],
    ids=["patchgan", "esrgan", "unet"],
)
def test_widths_grow_to_eight_times_the_first(kind, deepest):
    network = kind(in_channels=1, channels=1, layers=5).eval()
    assert network(torch.rand(1, 1, 96, 96)).features[deepest].shape[1] == 8


def parameters(kind, **arguments):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in kind(**arguments).parameters())


def patchgan_parameters(in_channels):
    """C64-C128-C256-C512 and one logit."""
    inner = sum(16 * a * b + 2 * b for a, b in pairwise((64, 128, 256, 512)))
    return in_channels * 64 * 16 + 64 + inner + 512 * 16 + 1


def test_patchgan_has_the_papers_size():
    size = patchgan_parameters(6)
    assert parameters(PatchGANDiscriminator, in_channels=6) == size
    assert f"{size / 1e6:.3f}" == "2.769"  # as the authors' code prints for pairs of RGB images


def test_multiscale_has_the_size_of_its_patchgans():
    assert parameters(MultiscaleDiscriminator, in_channels=3) == 3 * patchgan_parameters(3)


def test_esrgan_has_the_authors_size():
    """conv0_0 alone has a bias; 100 dense channels on 512 maps of 4×4."""
    widths = (64, 128, 256, 512, 512)
    first = 3 * 64 * 9 + 64
    same = sum(9 * a * b + 2 * b for a, b in pairwise(widths))
    half = sum(16 * a * a + 2 * a for a in widths)
    dense = 512 * 16 * 100 + 100 + 100 + 1
    found = parameters(ESRGANDiscriminator, in_channels=3)
    assert found == first + same + half + dense == 14_499_401


def test_unet_has_the_authors_size():
    down = sum(16 * a * b for a, b in pairwise((64, 128, 256, 512)))
    up = sum(9 * a * b for a, b in pairwise((512, 256, 128, 64)))
    size = (3 * 64 * 9 + 64) + down + up + 2 * 9 * 64 * 64 + (9 * 64 + 1)
    network = UNetDiscriminator(in_channels=3)
    assert sum(weight.numel() for weight in network.parameters()) == size == 4_376_897
