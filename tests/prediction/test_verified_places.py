"""What is said of an output that lies elsewhere than its input."""

from dataclasses import replace
from fractions import Fraction

import pytest

from srlab.io import Axis, Description
from srlab.io.video.colours import Colours
from srlab.io.video.geometry import VideoGeometry
from srlab.mistakes import Mistake
from srlab.prediction.verification.checks import check_place

TIMES = tuple(range(0, 400, 40))


def test_only_the_first_of_many_frame_times_that_differ_is_printed():
    clip = VideoGeometry(TIMES, 400, Fraction(1, 1000), Colours(8, 1, 1, 1, 1))
    axes = tuple(map(Axis, "tyx"))
    wanted = Description((10, 4, 4), axes, (), geometry=clip)
    late = replace(clip, times=(*TIMES[:4], *(time + 8 for time in TIMES[4:])))
    with pytest.raises(Mistake) as told:
        check_place("o.mp4", replace(wanted, geometry=late), wanted)
    assert str(told.value) == (
        "o.mp4 has another place than its input gives it: frame times in 1000 s at 5 of 10: "
        "0.000168, not 0.00016."
    )
