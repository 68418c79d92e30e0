"""The shares of `srlab.metrics.Correctness` beside those of the authors' package.

Both get the same arrays; without a scene they are random. The package opensr-test (Aybar et al.
2024) runs without its preparation (histogram matching, alignment, border), which is no part of the
shares' definition. The column "prepared" is the package's default, to show what that changes.

    pip install opensr-test
    python benchmarks/opensr_correctness.py [scene.tif] [--scale 4] [--size 256]
"""

import argparse

import torch

from srlab.degradations import Bicubic
from srlab.metrics import Correctness, ScoringContext
from srlab.nn.resample import enlarge

NAMES = {"improvement": "im_metric", "omission": "om_metric", "hallucination": "ha_metric"}
DISTANCES = {"normalised": "nd", "absolute": "l1"}
PLAIN = {"harm_apply_spectral": False, "harm_apply_spatial": False, "border_mask": 0}
"""Settings of the package that switch its preparation off."""


def hr_image(scene, size):
    if scene is None:
        return torch.rand(1, 3, size, size) + 0.01
    import rasterio

    with rasterio.open(scene) as file:
        row, column = (file.height - size) // 2, (file.width - size) // 2
        window = rasterio.windows.Window(column, row, size, size)
        return torch.from_numpy(file.read(window=window).astype("float32"))[None] / 10_000


def candidates(hr, lr, scale):
    """SR images by name."""
    generator = torch.Generator().manual_seed(0)
    cubic = enlarge(lr, scale)
    noise = torch.randn(hr.shape, generator=generator) * 0.1 * hr.std()
    return {
        "linear": enlarge(lr, scale, "linear"),
        "cubic": cubic,
        "halfway to HR": (cubic + hr) / 2,
        "HR": hr.clone(),
        "cubic + noise": (cubic + noise).clamp(min=1e-4),
        "oversharpened": (hr + (hr - cubic)).clamp(min=1e-4),
        "shifted HR": hr.roll((2, 1), (2, 3)),
        "another image": hr.flip(3),
        "20 % brighter": 1.2 * hr,
    }


def theirs(lr, sr, hr, distance, settings):
    import opensr_test

    metrics = opensr_test.Metrics(correctness_distance=DISTANCES[distance], **settings)
    shares = metrics.correctness(lr=lr[0], sr=sr[0], hr=hr[0], gradient_threshold="auto")
    return {name: shares[key] for name, key in NAMES.items()}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scene", nargs="?")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    hr = hr_image(options.scene, options.size)
    degrade = Bicubic(scale=options.scale)
    lr = degrade(hr).clamp(min=1e-4)
    context = ScoringContext(
        lr=lr,
        valid=None,
        scale=(options.scale,) * 2,
        data_range=1.0,
        channel_names=(),
        pixel_size=None,
        degrade=degrade,
    )
    print(f"{'distance':11} {'SR':15}", *(f"{name:>32}" for name in NAMES))
    print(f"{'':27}", *(f"{'ours':>10} {'theirs':>10} {'prepared':>10}" for _ in NAMES))
    largest = 0.0
    for distance in DISTANCES:
        for name, sr in candidates(hr, lr, options.scale).items():
            ours = Correctness(distance=distance)(sr, hr, context)
            plain = theirs(lr, sr, hr, distance, PLAIN)
            prepared = theirs(lr, sr, hr, distance, {})
            cells = []
            for share in NAMES:
                own = ours[share].item()
                largest = max(largest, abs(own - plain[share]))
                cells.append(f"{own:10.5f} {plain[share]:10.5f} {prepared[share]:10.5f}")
            print(f"{distance:11} {name:15}", *cells)
    print(f"largest difference of ours from theirs: {largest:.1e}")


if __name__ == "__main__":
    main()
