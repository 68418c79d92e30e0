"""Reads and enlarges videos one after the other, and tells the most memory needed after each.

It is a process of its own: what ran before in the process of a test would count, too.
"""

import sys
from pathlib import Path

from prediction_examples import resolver
from reading_worker import most_megabytes

from srlab.data.places.cuts import steps
from srlab.generators import Interpolation
from srlab.io import Provenance, create_writer, open_reader
from srlab.prediction import plan_tiles, super_resolve

MADE = Provenance("srlab test", "0" * 64)


def enlarged(path):
    """Go through a video as training does, then predict it as a whole."""
    steps(path)
    model = resolver(Interpolation(in_channels=3, scale=2))
    reader = open_reader(path)
    plan = plan_tiles(model, reader)
    target = Path(path).with_name("enlarged.mkv")
    description = reader.description.scaled(plan.scale)
    writer = create_writer(target, description, provenance=MADE, overwrite=True)
    super_resolve(model, reader, writer, plan=plan)
    reader.close()


if __name__ == "__main__":
    for video in sys.argv[1:]:
        enlarged(video)
        sys.stdout.write(f"{most_megabytes()}\n")
