"""Compiled and exported networks give what the eager ones give."""

import shutil

import networks
import pytest
import torch
from networks import GENERATORS, inputs, that_take

pytestmark = pytest.mark.slow

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs a C++ compiler")
# tracing is what a network can break; the code that inductor makes takes half a minute each
BACKENDS = [(name, "aot_eager") for name in GENERATORS] + [
    pytest.param(name, "inductor", marks=needs_compiler) for name in ("compact", "rcab")
]


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize(("name", "backend"), BACKENDS)
def test_compiled_network_equals_the_eager_one(name, backend):
    network = networks.build(name, scale=2, skip="cubic").eval()
    torch.nn.init.normal_(
        next(p for key, p in network.named_parameters() if "tail" in key), std=0.1
    )
    given = inputs(network, 7, 5)
    with torch.no_grad():
        compiled = torch.compile(network, backend=backend)(*given)
    torch.testing.assert_close(compiled, network(*given).detach(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", that_take("checkpointing"))
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


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", GENERATORS)
def test_exported_program_takes_any_size(name, dims):
    network = networks.build(name, scale=(1, 2, 3)[-dims:], spatial_dims=dims, skip="linear").eval()
    torch.nn.init.normal_(
        next(p for key, p in network.named_parameters() if "tail" in key), std=0.1
    )
    given = inputs(network, *(4, 7, 5)[-dims:])
    sizes = {2 + axis: torch.export.Dim(f"size_{axis}", min=2, max=64) for axis in range(dims)}
    shapes = (sizes, *[None] * (len(given) - 1))
    exported = torch.export.export(network, given, dynamic_shapes=shapes).module()
    for size in [(4, 7, 5), (3, 2, 11)]:
        given = inputs(network, *size[-dims:])
        torch.testing.assert_close(exported(*given), network(*given), atol=1e-5, rtol=0)
