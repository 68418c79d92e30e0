import functools
import importlib.util
import json
import logging
import os
import re
import signal
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import Logger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from srlab.training.loggers.csv_logger import CSVLogger
from srlab.training.loggers.mlflow_logger import MLFlowLogger
from srlab.training.loggers.tensorboard_logger import TensorBoardLogger
from srlab.training.loggers.visual import bin_counts, visual
from srlab.training.loggers.wandb_logger import WandbLogger

VALUES = torch.tensor([0.0, 0.1, 0.3, 0.3, 0.9, 1.0])
COUNTS, EDGES = [2, 2, 0, 2], [0, 0.25, 0.5, 0.75, 1]
GREY = np.array([[0, 1, 102], [128, 191, 255]], dtype=np.uint8)
PIXELS = np.repeat(GREY[..., None], 3, axis=2)


def log_a_step(logger, step):
    logger.log_metrics({"loss/l1": 1.5}, step=step)
    logger.log_picture("validation/0", PIXELS, step)
    logger.log_histogram("weights/tail", bin_counts(VALUES, bins=4), step)
    logger.log_metrics({"val/psnr": 20.0 + step}, step=step)


def wandb_logger(folder, **more):
    pytest.importorskip("wandb")
    return WandbLogger(folder=str(folder), project="p", name="n", offline=True, **more)


def mlflow_logger(folder, **more):
    pytest.importorskip("mlflow")
    return MLFlowLogger(folder=str(folder), experiment="e", name="n", **more)


def wandb_rows(folder):
    """The rows of each start, read from W&B's files."""
    import wandb

    wandb.teardown()  # its process writes the files, and may still do so when a run has finished
    return rows_so_far(folder)


def rows_so_far(folder):
    paths = sorted(Path(folder).glob("wandb/offline-run-*/*.wandb"))
    return [[*map(row_of, history(path.read_bytes()))] for path in paths]


def history(content):
    """The rows of a file: LevelDB's log format after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    position, parts = 7, b""
    while position + 7 <= len(content):
        left = 32768 - position % 32768
        _, length, kind = struct.unpack("<IHB", content[position : position + 7])
        if left < 7 or kind == 0:
            position += left
            continue
        if position + 7 + length > len(content):  # it is being written
            return
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record, parts = Record.FromString(parts), b""
            if record.WhichOneof("record_type") == "history":
                yield record


def row_of(record):
    row = {}
    for item in record.history.item:
        *within, last = item.nested_key or [item.key]
        place = functools.reduce(lambda node, key: node.setdefault(key, {}), within, row)
        place[last] = json.loads(item.value_json)
    return row


def test_tensorboard_reads_back_what_was_logged(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    log_a_step(logger, 3)
    logger.finalize("success")
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0})
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/l1")] == [(3, 1.5)]
    (picture,) = events.Images("validation/0")
    (tmp_path / "picture.png").write_bytes(picture.encoded_image_string)
    assert picture.step == 3
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "picture.png")), PIXELS)
    (event,) = events.Histograms("weights/tail")
    assert event.step == 3
    found = event.histogram_value
    assert (list(found.bucket), list(found.bucket_limit)) == (COUNTS, EDGES[1:])
    assert (found.min, found.max, found.num) == (0, 1, 6)


def test_wandb_reads_back_what_was_logged(tmp_path, capfd):
    logger = wandb_logger(tmp_path)
    log_a_step(logger, 3)
    log_a_step(logger, 7)
    logger.finalize("success")
    assert pytest.importorskip("wandb").run is None
    assert capfd.readouterr() == ("", "")
    ((first, second),) = wandb_rows(tmp_path)
    assert (first["_step"], second["_step"]) == (3, 7)
    assert (first["loss/l1"], first["val/psnr"], second["val/psnr"]) == (1.5, 23, 27)
    assert (first["weights/tail"]["values"], first["weights/tail"]["bins"]) == (COUNTS, EDGES)
    (file,) = first["validation/0"]["filenames"]
    (path,) = tmp_path.glob(f"wandb/offline-run-*/files/{file}")
    np.testing.assert_array_equal(np.array(Image.open(path)), PIXELS)


def test_wandb_writes_into_the_folder_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    # Its process keeps the folders that it was started with.
    pytest.importorskip("wandb").teardown()
    for name in ("WANDB_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    logger = wandb_logger(tmp_path / "run")
    log_a_step(logger, 3)
    logger.finalize("success")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["wandb"]


def test_resumed_wandb_run_has_each_step_once_and_whole(tmp_path):
    first = wandb_logger(tmp_path)
    for step in (2, 4, 6):
        log_a_step(first, step)
    first.save()  # as a checkpoint is written
    first.log_metrics({"loss/l1": 0.5}, step=8)  # and interrupted before it is validated
    first.finalize("failed")
    second = wandb_logger(tmp_path, purge_step=5)
    for step in (6, 8, 10):
        log_a_step(second, step)
    second.finalize("success")
    before, after = wandb_rows(tmp_path)
    assert [row["_step"] for row in before] == [2, 4, 6]
    assert [row["_step"] for row in after] == [8, 10]
    for row in (*before, *after):
        assert {"loss/l1", "validation/0", "weights/tail", "val/psnr"} <= set(row)
    (identity,) = {path.name.split("-")[3] for path in tmp_path.glob("wandb/offline-run-*")}
    assert first.experiment.id == second.experiment.id == identity


def test_killed_process_leaves_what_it_has_sent(tmp_path):
    pytest.importorskip("wandb").teardown()
    child = os.fork()
    if not child:
        signal.alarm(240)  # in case it hangs
        try:
            logger = WandbLogger(folder=str(tmp_path), project="p", offline=True)
            logger.log_metrics({"loss": 1.5}, step=3)
            logger.save()
            # Left to itself W&B would write it after 15 seconds.
            deadline = time.monotonic() + 12
            while not any(rows_so_far(tmp_path)) and time.monotonic() < deadline:
                time.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    ((row,),) = wandb_rows(tmp_path)
    assert (row["_step"], row["loss"]) == (3, 1.5)


def test_second_run_of_a_process_is_another(tmp_path):
    one, other = wandb_logger(tmp_path / "one"), wandb_logger(tmp_path / "other")
    for value, logger in enumerate((one, other)):
        logger.log_metrics({"loss": float(value)}, step=1)
        logger.finalize("success")
    assert one.experiment.id != other.experiment.id
    assert [wandb_rows(tmp_path / name)[0][0]["loss"] for name in ("one", "other")] == [0, 1]


def test_wandb_without_a_login_says_what_to_do(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")

    def refuse(**_):
        raise wandb.errors.UsageError("No API key\nconfigured.")

    monkeypatch.setattr(wandb, "init", refuse)
    message = (
        "does not start: No API key configured. Use `wandb login` first, or "
        "logger.wandb.offline=true."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        WandbLogger(folder=str(tmp_path), project="p").log_metrics({"loss": 1.0}, step=1)


def test_mlflow_reads_back_what_was_logged(tmp_path, caplog):
    logger = mlflow_logger(tmp_path)
    log_a_step(logger, 3)
    logger.finalize("success")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    run = logger.experiment.get_run(logger.run_id)
    assert (run.data.metrics, run.info.status) == ({"loss/l1": 1.5, "val/psnr": 23}, "FINISHED")
    (picture,) = tmp_path.glob("mlflow/*/*/artifacts/validation/0/00000003.png")
    np.testing.assert_array_equal(np.array(Image.open(picture)), PIXELS)
    (counted,) = tmp_path.glob("mlflow/*/*/artifacts/weights/tail/00000003.json")
    assert json.loads(counted.read_text()) == {"counts": COUNTS, "edges": EDGES}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow", "mlflow_run"]


def test_resumed_mlflow_run_has_each_step_once(tmp_path):
    first = mlflow_logger(tmp_path)
    for step in (2, 4, 6):
        log_a_step(first, step)
    first.log_metrics({"loss/l1": 1.5}, step=8)
    first.finalize("failed")
    second = mlflow_logger(tmp_path, purge_step=5)
    for step in (6, 8, 10):
        log_a_step(second, step)
    second.finalize("success")
    client = second.experiment
    for name in ("loss/l1", "val/psnr"):
        entries = client.get_metric_history(first.run_id, name)
        assert [entry.step for entry in entries] == [2, 4, 6, 8, 10]
    assert len(list(tmp_path.glob("mlflow/*/*/artifacts/validation/0/*.png"))) == 5
    assert client.get_run(first.run_id).info.status == "FINISHED"
    assert len(list(tmp_path.glob("mlflow/*/*/artifacts"))) == 1


@pytest.mark.parametrize(
    ("make", "note"), [(wandb_logger, "run.json"), (mlflow_logger, "mlflow_run")]
)
def test_lost_id_of_a_resumed_run_is_an_error(tmp_path, make, note):
    with pytest.raises(FileNotFoundError, match=f"{note} is missing"):
        make(tmp_path, purge_step=5).log_metrics({"loss": 1.0}, step=6)


@pytest.mark.parametrize(
    ("make", "more", "title", "package"),
    [
        (WandbLogger, {"project": "p"}, "Weights & Biases", "wandb"),
        (MLFlowLogger, {"experiment": "e"}, "MLflow", "mlflow-skinny"),
    ],
)
def test_logger_that_is_not_installed_is_one_line(monkeypatch, make, more, title, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError) as raised:
        make(folder="run", **more)
    expected = f"{title} is not installed: pip install {package}, or choose another logger=."
    assert str(raised.value) == expected


class TheirTable(Logger):
    """A third party's logger of scalars."""

    name = version = "theirs"

    def log_metrics(self, metrics, step=None):
        pass

    def log_hyperparams(self, params):
        pass


class TheirBoard(TheirTable):
    """A third party's logger of pictures, too."""

    def log_picture(self, name, pixels, step):
        pass

    def log_histogram(self, name, counted, step):
        pass


def test_loggers_that_take_pictures_get_them_and_others_one_line(tmp_path, caplog):
    boards = [TensorBoardLogger(tmp_path), TheirBoard()]
    with caplog.at_level(logging.INFO, "srlab"):
        for _ in range(3):
            assert visual([CSVLogger(folder=str(tmp_path)), TheirTable(), *boards]) == boards
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "TheirTable gets no pictures and histograms"
    ]


def test_histogram_counts_what_numpy_counts():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    counted = bin_counts(values.view(10, 100), bins=16)
    counts, edges = np.histogram(values.double().numpy(), bins=16)
    np.testing.assert_array_equal(counted.counts, counts)
    np.testing.assert_allclose(counted.edges, edges, rtol=1e-6)


def test_histogram_counts_all_finite_values_within_its_limits():
    values = torch.tensor([-1e9, 0.5, 1.5, 1.6, 7.0, torch.nan, torch.inf])
    counted = bin_counts(values, bins=2, limits=(0, 2))
    assert (counted.counts.tolist(), counted.edges.tolist()) == ([2, 3], [0, 1, 2])
    # The float32 nearest to 0.1 is above it.
    assert bin_counts(torch.tensor([5.0]), bins=2, limits=(0, 0.1)).counts.tolist() == [0, 1]
    assert bin_counts(torch.tensor([torch.nan]), bins=2) is None
    assert bin_counts(torch.full((5,), 3.0), bins=4).counts.sum() == 5
