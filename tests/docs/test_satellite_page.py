"""Every command of the page for users of satellite scenes, in its order, on small files."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from page_commands import SMALL_ADVERSARY, SMALL_GENERATOR, commands, run
from scipy.io import netcdf_file
from scipy.ndimage import zoom

COLOURS = ("B04", "B03", "B02", "B08")
GRIDS = {10: COLOURS, 20: ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL"), 60: ("B01",)}
PRODUCT = "S2A_MSIL2A_20230610T101559_N0509_R065_T32T{}_20230610T134500.SAFE"
METADATA = """<a><Product_Info><BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>
<BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET></Product_Info></a>"""

SMALL = ["crop_size=32", "data.validation_size=64", "data.validation_views=1", *SMALL_GENERATOR]


def ground(count, side, *, seed=0):
    """Return smooth ground with some noise, as reflectance × 10 000 without an offset."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(300, 3500, (count, 16, 16))
    fine = zoom(coarse, (1, side / 16, side / 16), order=1)
    return (fine + random.uniform(0, 200, fine.shape)).astype(np.uint16)


def raster(path, values, names, *, metres=10, east=0, **driver):
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    place = Affine(metres, 0, 4e5 + east, 0, -metres, 51e5)
    profile = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with rasterio.open(path, "w", crs="EPSG:32632", transform=place, **profile, **driver) as file:
        file.write(values)
        if not driver:
            file.descriptions = names


def product(path, *, east):
    images = path / "GRANULE" / "L2A_T32TQM_A032700_20230610T102002" / "IMG_DATA"
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    for metres, names in GRIDS.items():
        for number, name in enumerate(names):
            band = ground(1, 3840 // metres, seed=number) + np.uint16(1000)
            if name == "SCL":
                band = np.full(band.shape, 4, np.uint8)
                band[:, :20, :20] = 9
            file = images / f"R{metres}m" / f"T32TQM_20230610T101559_{name}_{metres}m.jp2"
            raster(file, band, [name], metres=metres, east=east, **lossless)
    (path / "MTD_MSIL2A.xml").write_text(METADATA)


def netcdf(path):
    with netcdf_file(path, "w") as file:
        for name, start, step in (("y", 51e5, -10), ("x", 4e5, 10)):
            file.createDimension(name, 256)
            axis = file.createVariable(name, "f8", (name,))
            axis[:] = start + step * (np.arange(256) + 0.5)
            axis.units, axis.standard_name = b"m", f"projection_{name}_coordinate".encode()
        for name, values in zip(COLOURS, ground(4, 256), strict=True):
            variable = file.createVariable(name, "i2", ("y", "x"))
            variable[:] = values.astype(np.int16)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """All files that the page's commands name."""
    monkeypatch.chdir(tmp_path)
    for number, tile in enumerate(("QM", "QN")):
        product(Path("PRODUCTS") / PRODUCT.format(tile), east=number * 1e4)
    shutil.copytree(Path("PRODUCTS") / PRODUCT.format("QM"), "S2A_MSIL2A.SAFE")
    shutil.copytree("PRODUCTS", "OTHERS")
    netcdf(Path("scene.nc"))
    raster(Path("scene.tif"), ground(4, 256), COLOURS)
    for number, name in enumerate(("T33UUP", "south/a", "south/b", "north/c")):
        values, east = ground(4, 640, seed=number), 1e4 * number
        raster(Path("SCENES") / f"{name}.tif", values, COLOURS, east=east)
        raster(Path("CLOUDY") / f"{name}.tif", values, COLOURS, east=east)
        clouds = np.zeros((1, 640, 640), np.uint8)
        clouds[:, 100:200] = 1
        raster(Path("CLOUDY") / f"{name}_clouds.tif", clouds, ["clouds"], east=east)
    for name in ("B2", "B3", "B4", "B5"):
        raster(Path(f"{name}.TIF"), ground(1, 200), [name], metres=30)
    raster(Path("B8.TIF"), ground(1, 400), ["B8"], metres=15)
    raster(Path("20m/a.tif"), ground(3, 128), ["R", "G", "B"], metres=20)
    raster(Path("10m/a.tif"), ground(3, 256), ["R", "G", "B"])
    raster(Path("pan/a.tif"), ground(1, 256), ["P"])
    fine = np.random.default_rng(0).uniform(300, 3500, (1, 400, 400))
    seen = fine.reshape(1, 200, 2, 200, 2).mean((2, 4)).repeat(3, 0)  # the same ground
    raster(Path("30m/a.tif"), seen.astype(np.uint16), ["B2", "B3", "B4"], metres=30)
    raster(Path("15m/a.tif"), fine.astype(np.uint16), ["B8"], metres=15)
    for number, place in enumerate(("place", "other")):
        for month in (4, 5, 6):
            values = ground(5, 256, seed=month)
            values[4] = 4  # vegetation
            name = Path("PLACES") / place / f"2024-{month:02}-01.tif"
            raster(name, values, (*COLOURS, "SCL"), east=1e4 * number)
    shutil.copytree("PLACES/place", "place")


def adapted(words):
    """Name this test's files where the page's names stand for several kinds of files."""
    line = " ".join(words)
    if "_clouds.tif" in line:
        words = [word.replace("SCENES", "CLOUDY") for word in words]
    if "sensor_pair" in line:
        words = [word.replace("data.root=pan", "data.root=15m") for word in words]
    return words


MODELS = {"output=scene.tif": "data=sentinel2_10m", "data.root=OTHERS": "data=sentinel2_20m"}
"""The data of the model that RUN stands for in some commands, where it is no earlier one's."""


@pytest.mark.slow
def test_every_command_of_the_page_runs(files):
    done = 0
    for words in map(adapted, commands("satellite.md")):
        if words[0] == "rio":
            subprocess.run([Path(sys.executable).with_name("rio"), *words[1:]], check=True)
            continue
        for word, data in MODELS.items():
            if word in words:
                Path("scene.tif").unlink(missing_ok=True)
                train(["python", "-m", "srlab.train", data, "data.root=PRODUCTS"])
        if "srlab.train" in words:
            train(words)
        else:
            run(words)
        done += 1
    assert done > 15


def train(words):
    """Run a training, which replaces the one before; a split that it names is kept first."""
    if Path("RUN/split.json").exists():
        shutil.copy("RUN/split.json", "kept")
    words = [word.replace("RUN/split.json", "kept") for word in words]
    alone = {"experiment=self", "experiment=sentinel2_20m_to_10m"} & {*words}
    run(words, SMALL if alone else [*SMALL, *SMALL_ADVERSARY])
