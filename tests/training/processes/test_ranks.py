import pytest
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from srlab.training.ema import EMA
from srlab.training.processes.ranks import keep_out_of_ddp


@pytest.fixture
def one_process(tmp_path):
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


def test_average_may_be_kept_on_another_device_under_data_parallelism(one_process):
    module = nn.Module()
    module.network = nn.Linear(2, 2)
    module.ema = EMA(module.network, decay=0.9, device="meta")  # as a CPU's is beside a GPU
    with pytest.raises(ValueError, match="device"):
        DistributedDataParallel(module)
    keep_out_of_ddp(module, "ema")
    wrapped = DistributedDataParallel(module)
    assert set(dict(wrapped.module.named_parameters())) >= {"network.weight", "ema.average.weight"}
