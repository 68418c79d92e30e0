"""Predictions that fail: one line, nothing under the output's name, and a state to go on from."""

import errno
import json
import logging
import os

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from model_examples import card
from prediction_examples import Repeat, resolver
from test_files import another_writer

from srlab.io.raster.staged import StagedBlocks
from srlab.mistakes import Mistake
from srlab.prediction import Opened, Request, session, super_resolve_file
from srlab.prediction.engines import making
from srlab.prediction.journal import Done, Journal
from srlab.prediction.output.hashes import further_hashes

BLOCK = 64


@pytest.fixture(autouse=True)
def noted_at_once(monkeypatch, caplog):
    monkeypatch.setattr(making, "SECONDS", 0.0)
    caplog.set_level(logging.INFO, logger="srlab")


@pytest.fixture
def source(tmp_path):
    pixels = np.random.default_rng(0).integers(1, 255, (1, 192, 128), np.uint8)
    blocks = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate"}
    profile = {"count": 1, "height": 192, "width": 128, "dtype": "uint8", **blocks}
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, 4e5, 0, -10, 51e5)}
    with rasterio.open(tmp_path / "in.tif", "w", driver="GTiff", **profile, **place) as file:
        file.write(pixels)
    return tmp_path / "in.tif"


class Sums(Repeat):
    """Tiles that differ by their means, so that another grid would show; no large ones fit."""

    def __init__(self, most=10**9):
        super().__init__((2, 2))
        self.most = most

    def forward(self, lr):
        if lr.shape[-2] * lr.shape[-1] > self.most:
            raise torch.OutOfMemoryError("too large")
        return super().forward(lr + lr.mean() / 8)


def predicted(source, output, network=None, overwrite=False, **settings):
    model = resolver(network or Sums(), top=1)
    asked = {"tile": 48, "overlap": 4, "join": "crop", **settings}
    request = Request(bands=[1], force=["value_range", "dtype", "pixel_size"], **asked)
    models = [Opened(__file__, model)]
    return super_resolve_file(models, source, output, request=request, overwrite=overwrite)


def kept(output):
    """The blocks that are kept of an output that is not there."""
    assert not output.exists()
    journal = output.with_name(f"{output.name}.partial") / "journal"
    return len(journal.read_text().splitlines()) - 1


def check_resumed(source, output, **settings):
    predicted(source, output, **settings)
    whole = output.with_name(f"whole_{output.name}")
    predicted(source, whole, **settings)
    assert output.read_bytes() == whole.read_bytes()
    assert not list(output.parent.glob("*.partial"))


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("fills", ["in a block", "in the journal"])
def test_a_disk_that_fills_up_keeps_what_was_done(source, tmp_path, monkeypatch, caplog, fills):
    output, write = tmp_path / "out.tif", os.pwrite
    journal_write, written = Journal._write, []

    def pwrite(*args):
        written.append(args)
        return full_disk() if len(written) > 200 and fills == "in a block" else write(*args)

    def cut(self, mode, lines):
        if len(lines) and len(self.done) >= 2 and fills == "in the journal":
            with self.path.open("ab") as file:
                file.write(b'{"window": [[0')
            raise Mistake("out.tif cannot be written: No space left on device.")
        journal_write(self, mode, lines)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", pwrite)
        patched.setattr(Journal, "_write", cut)
        with pytest.raises(Mistake, match=r"out.tif cannot be written: No space left on device"):
            predicted(source, output)
    assert kept(output) > 0
    assert f"are kept in {output}.partial: the same command goes on from there" in caplog.text
    check_resumed(source, output)


def test_a_damaged_line_of_the_journal_ends_what_counts(tmp_path):
    journal = Journal(tmp_path / "out.tif", {"model": "a"})
    journal.begin()
    done = Done((slice(0, 4), slice(0, 4)), (0,), 0)
    journal.add([done])
    with journal.path.open("ab") as file:
        file.write(b'{"window": [[0')  # a full disk, and room again
    journal.add([done])
    again = Journal(tmp_path / "out.tif", {"model": "a"})
    assert again.read()
    assert again.done == [done]
    assert len(journal.path.read_text().splitlines()) == 2


def test_a_block_that_is_noted_twice_counts_once(tmp_path):
    journal = Journal(tmp_path / "out.tif", {"model": "a"})
    journal.begin()
    first, second = (Done((slice(at, at + 4),), (at,), 0) for at in (0, 4))
    journal.add([first, second])
    journal.add([second])
    again = Journal(tmp_path / "out.tif", {"model": "a"})
    assert again.read()
    assert again.done == [first, second]


def test_a_damaged_block_is_told_of_and_what_was_read_before_is_kept(source, tmp_path, monkeypatch):
    content = bytearray(source.read_bytes())
    middle = len(content) * 3 // 4
    content[middle : middle + 900] = bytes(900)
    source.write_bytes(content)
    monkeypatch.setattr(session, "refuse_stranger", lambda *_, **__: None)  # it reads all of it
    with pytest.raises(Mistake, match=r"in\.tif cannot be read at rows \d+ to \d+: truncated"):
        predicted(source, tmp_path / "out.tif", tile=32)
    assert kept(tmp_path / "out.tif") > 0


def test_tiles_are_halved_as_often_as_the_memory_demands(source, tmp_path, caplog):
    output = tmp_path / "out.tif"
    outcome = predicted(source, output, Sums(most=40**2), tile=128)
    assert outcome.settled["tile"] == [32, 32]
    told = [line for line in caplog.messages if line.startswith("out of memory")]
    assert told == [
        f"out of memory: beginning anew with tiles of {[side] * 2}" for side in (64, 32)
    ]
    with rasterio.open(output) as file:
        assert json.loads(file.tags()["SETTINGS"])["tile"] == [32, 32]
        halved = file.read()
    predicted(source, tmp_path / "small.tif", tile=32)
    with rasterio.open(tmp_path / "small.tif") as file:
        np.testing.assert_array_equal(file.read(), halved)


class Smoothed(Sums):
    """Means of 7 × 7 pixels, so that each tile needs three pixels around it."""

    def forward(self, lr):
        if lr.shape[-2] * lr.shape[-1] > self.most:
            raise torch.OutOfMemoryError("too large")
        return Repeat.forward(self, torch.nn.functional.avg_pool2d(lr, 7, 1, 3))


@pytest.mark.parametrize("edges", ["zeros", "replicate"])
def test_a_scene_in_one_tile_gets_an_overlap_where_it_is_halved(source, tmp_path, edges):
    outputs = tmp_path / "whole.tif", tmp_path / "halved.tif"
    auto = {"tile": "auto", "overlap": "auto", "join": "auto", "edges": edges}
    predicted(source, outputs[0], Smoothed(), **auto)
    outcome = predicted(source, outputs[1], Smoothed(most=120 * 90), **auto)
    assert outcome.settled["tile"] == [96, 64]
    with rasterio.open(outputs[0]) as whole, rasterio.open(outputs[1]) as halved:
        np.testing.assert_array_equal(whole.read(), halved.read())


def test_an_end_of_memory_is_one_line(source, tmp_path):
    with pytest.raises(Mistake, match=r"out of memory with tiles of .* free memory"):
        predicted(source, tmp_path / "out.tif", Sums(most=10))
    assert not (tmp_path / "out.tif").exists()


def test_what_is_beside_an_output_may_be_complete_before_it(source, tmp_path, monkeypatch):
    output, copy = tmp_path / "out.tif", StagedBlocks.copy

    def fail(self, *args):
        return full_disk() if self.staging.output == output else copy(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(StagedBlocks, "copy", fail)
        with pytest.raises(OSError, match="No space left"):
            predicted(source, output, tta=True)
    assert (tmp_path / "out.deviation.tif").exists()
    assert kept(output) > 0
    network = Sums(most=0)  # nothing is left to compute
    predicted(source, output, network, tta=True)
    predicted(source, tmp_path / "whole.tif", tta=True)
    for name in ("{}.tif", "{}.deviation.tif"):
        one, other = (tmp_path / name.format(stem) for stem in ("out", "whole"))
        assert one.read_bytes() == other.read_bytes()


def test_a_file_beside_the_output_that_another_writes_is_refused(source, tmp_path):
    busy = pytest.raises(BlockingIOError, match=r"out\.deviation\.tif is in use")
    with another_writer(tmp_path / "out.deviation.tif"), busy:
        predicted(source, tmp_path / "out.tif", tta=True)
    assert not (tmp_path / "out.tif.partial").exists()


def test_another_setting_is_refused_unless_one_may_begin_anew(source, tmp_path, monkeypatch):
    output = tmp_path / "out.tif"
    with monkeypatch.context() as patched:
        patched.setattr(StagedBlocks, "copy", full_disk)
        with pytest.raises(OSError, match="No space"):
            predicted(source, output)
    expected = "asked for otherwise: tile was 48 and is 32. Give that command again .* overwrite="
    with pytest.raises(Mistake, match=expected):
        predicted(source, output, tile=32)
    predicted(source, output, tile=32, overwrite=True)
    check_resumed(source, tmp_path / "again.tif", tile=32)
    assert output.read_bytes() == (tmp_path / "again.tif").read_bytes()


def test_the_contents_of_guide_and_dates_count(source, tmp_path):
    for name in ("guide.tif", "2023.tif", "2024.tif"):
        (tmp_path / name).write_bytes(name.encode())
    dated = card(dates=3, bands=(1,), input_names=("a", "a@1", "a@2"), output_names=("a",))
    given = Request(guide=str(tmp_path / "guide.tif"), dates=f"{tmp_path}/20*.tif")
    before = further_hashes(dated, source, given)
    assert set(before) == {"guide", "dates"}
    (tmp_path / "2023.tif").write_bytes(b"other")
    after = further_hashes(dated, source, given)
    assert after["guide"] == before["guide"]
    assert after["dates"] != before["dates"]
