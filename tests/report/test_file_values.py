import json

import numpy as np
import pytest

from srlab.io.array import ArrayReader
from srlab.mistakes import Mistake
from srlab.report.suggestion import suggested
from srlab.report.values import measured, percent, table

RANDOM = np.random.default_rng(0)


def readers(*images):
    return [
        ArrayReader(np.asarray(image)[None], name=f"{place}") for place, image in enumerate(images)
    ]


def test_values_of_several_files_equal_numpys():
    images = [RANDOM.normal(100, 20, (2, 60, 50)), RANDOM.normal(300, 5, (2, 40, 90))]
    images = [image.astype(np.float32) for image in images]
    images[0][0, :10] = np.nan
    values = measured([ArrayReader(image, name=str(image.shape)) for image in images])
    joined = np.concatenate([image.reshape(2, -1) for image in images], axis=1).astype(float)
    assert values.pixels == joined.shape[1]
    found = values.statistics
    assert found.count.tolist() == np.isfinite(joined).sum(axis=1).tolist()
    for name, function in (
        ("minimum", np.nanmin),
        ("maximum", np.nanmax),
        ("mean", np.nanmean),
        ("deviation", np.nanstd),
    ):
        np.testing.assert_allclose(getattr(found, name), function(joined, axis=1), rtol=1e-6)
    limit = 1e-3 * np.ptp(joined[np.isfinite(joined)])
    expected = np.nanpercentile(joined, [1, 50, 99], axis=1)
    got = [found.quantile(level) for level in (1, 50, 99)]
    np.testing.assert_allclose(got, expected, atol=limit)
    each = [statistics.mean for statistics in values.files.values()]
    np.testing.assert_allclose(each, [np.nanmean(i, axis=(1, 2)) for i in images], rtol=1e-6)
    for counts, own in zip(values.histograms, joined, strict=True):
        assert counts.counts.sum() == np.isfinite(own).sum()
        assert counts.edges[0] <= np.nanmin(own)
        assert counts.edges[-1] >= np.nanmax(own)


def test_the_table_has_what_a_file_of_integers_can_hold():
    image = np.repeat(np.arange(101, dtype=np.uint16), 99).reshape(99, 101)
    lines = table([measured(readers(image))]).splitlines()
    assert lines[0].split()[:5] == ["band", "valid", "min", "1", "%"]
    numbers = ["100", "%", "0", "1", "50", "99", "100", "50", "29.155", "–"]
    assert lines[1].split()[1:] == numbers


def test_a_share_of_the_whole_is_never_told_as_all_of_it():
    shares = [0, 1e-9, 0.25, 1 - 1e-9, 1]
    assert list(map(percent, shares)) == ["0 %", "0.01 %", "25.00 %", "99.99 %", "100 %"]


NORMAL = RANDOM.normal(1000, 100, (100, 100))
SIZES = RANDOM.lognormal(0, 2, (100, 100))
SUGGESTED = {
    "8 bits": ([RANDOM.integers(0, 256, (20, 20))], 255, "normaliser=minmax"),
    "arbitrary units": ([NORMAL, 9 * NORMAL], 10_000, "normaliser=zscore normaliser.scope=scene"),
    "wide brightness": ([SIZES], 1000, "normaliser=arcsinh"),
    "a part of the type": ([NORMAL], 65535, "normaliser=zscore"),
    "the whole range": ([RANDOM.uniform(0, 4000, (50, 50))], 4095, "normaliser=minmax"),
    "negative": ([NORMAL - 1000], 100, "normaliser=zscore"),
}
OUTLIER = NORMAL.copy()
OUTLIER[0, :3] = 9e4
SUGGESTED["outliers"] = ([OUTLIER], 65535, "normaliser=percentile")


def test_each_kind_of_values_has_its_normaliser():
    for name in SUGGESTED:
        images, data_range, choice = SUGGESTED[name]
        found = suggested([measured(readers(*images))], unit="value", data_range=data_range)
        assert found.choice.partition(" normaliser.softening")[0] == choice
        assert found.reason


def test_a_known_unit_and_unlike_pairs_have_theirs():
    values = measured(readers(NORMAL))
    found = suggested([values], unit="reflectance × 10000", data_range=10_000)
    assert found.choice == "normaliser=reflectance normaliser.quantification=10000"
    lr = measured(readers(NORMAL + 200), title="LR")
    assert suggested([lr, values], unit="value", data_range=9).choice == "normaliser=paired"


def test_a_band_without_a_value_is_null_in_json():
    image = np.ones((2, 3, 4), np.float32)
    image[1] = np.nan
    values = measured([ArrayReader(image, name="half")])
    found = json.loads(json.dumps(values.to_json(), allow_nan=False))
    assert found["statistics"]["mean"] == [1, None]
    assert found["nodata"] == [None, None]
    assert suggested([values], unit="", data_range=1).reason.startswith("a band holds no value")


def test_a_file_that_cannot_be_read_is_named():
    class Broken(ArrayReader):
        def read(self, window):
            raise Mistake("damaged")

    with pytest.raises(Mistake, match="damaged"):
        measured([Broken(NORMAL[None], name="broken")])
