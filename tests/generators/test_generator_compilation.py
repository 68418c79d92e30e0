"""Compiled and exported networks give what the eager ones give."""

import networks
import pytest
import torch
from networks import GENERATORS, inputs

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def build(name, scale, skip):
    """Build a network whose tail is not zero."""
    network = networks.build(name, scale=scale, spatial_dims=len(scale), skip=skip).eval()
    tail = next(weight for key, weight in network.named_parameters() if "tail" in key)
    torch.nn.init.normal_(tail, std=0.1)
    return network


# tracing is what a network can break; inductor's code is tried in the tests of `accelerate`
@pytest.mark.parametrize("name", GENERATORS)
def test_compiled_network_equals_the_eager_one(name):
    network = build(name, (2, 2), "cubic")
    given = inputs(network, 7, 5)
    with torch.no_grad():
        compiled = torch.compile(network, backend="eager")(*given)
    torch.testing.assert_close(compiled, network(*given).detach(), atol=1e-5, rtol=0)


# the trunk is the same in all: one with running statistics, one with conditions
@pytest.mark.parametrize("name", ["srresnet", "stochastic"])
def test_compiled_training_with_checkpointing_has_the_eager_gradients(name):
    plain, compiled = (
        networks.build(name, scale=2, checkpointing=value) for value in (False, True)
    )
    plain(*inputs(plain, 7, 5)).square().mean().backward()
    torch.compile(compiled, backend="aot_eager")(*inputs(plain, 7, 5)).square().mean().backward()
    for expected, parameter in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, atol=1e-5, rtol=1e-4)
    for expected, buffer in zip(plain.buffers(), compiled.buffers(), strict=True):
        torch.testing.assert_close(buffer, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "scale"),
    [*((name, (2, 3)) for name in GENERATORS), ("compact", (2, 2)), ("rcab", (1, 2, 3))],
    ids=str,
)
def test_exported_program_takes_any_size(name, scale):
    network, dims = build(name, scale, "linear"), len(scale)
    given = inputs(network, *(4, 7, 5)[-dims:])
    sizes = {2 + axis: torch.export.Dim(f"size_{axis}", min=2, max=64) for axis in range(dims)}
    shapes = (sizes, *[None] * (len(given) - 1))
    exported = torch.export.export(network, given, dynamic_shapes=shapes).module()
    for size in [(4, 7, 5), (3, 2, 11)]:
        given = inputs(network, *size[-dims:])
        torch.testing.assert_close(exported(*given), network(*given), atol=1e-5, rtol=0)
