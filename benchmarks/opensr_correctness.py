"""The shares of `srlab.metrics.Correctness` beside those of the authors' package on the same arrays.

opensr-test (Aybar et al. 2024) runs without its preparation (histogram matching, alignment, border), which is no part
of the shares' definition. Its column "prepared" is its default, for what the preparation changes. Without a scene the
arrays are random.

    pip install opensr-test
    python benchmarks/opensr_correctness.py [scene.tif] [--scale 4] [--size 256]
"""

import argparse

import torch

from srlab.degradations import Bicubic
from srlab.metrics.correctness import Correctness
from srlab.metrics.protocol import View
from srlab.nn.resample import enlarge

NAMES = {"improvement": "im_metric", "omission": "om_metric", "hallucination": "ha_metric"}


def hr_image(scene, size):
    if scene is None:
        return torch.rand(1, 3, size, size) + 0.01
    import rasterio

    with rasterio.open(scene) as file:
        row, column = (file.height - size) // 2, (file.width - size) // 2
        window = rasterio.windows.Window(column, row, size, size)
        return torch.from_numpy(file.read(window=window).astype("float32"))[None] / 10_000


def candidates(hr, lr, scale):
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


def theirs(lr, sr, hr, distance, prepared):
    import opensr_test

    off = (
        {}
        if prepared
        else {"harm_apply_spectral": False, "harm_apply_spatial": False, "border_mask": 0}
    )
    metrics = opensr_test.Metrics(correctness_distance=distance, **off)
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
    view = View(
        lr=lr,
        valid=None,
        scale=(options.scale,) * 2,
        data_range=1.0,
        channels=(),
        pixel_size=None,
        degrade=degrade,
    )
    print(f"{'distance':11} {'SR':15}", *(f"{name:>32}" for name in NAMES))
    print(f"{'':27}", *(f"{'ours':>10} {'theirs':>10} {'prepared':>10}" for _ in NAMES))
    largest = 0.0
    for ours_distance, their_distance in (("normalised", "nd"), ("absolute", "l1")):
        for name, sr in candidates(hr, lr, options.scale).items():
            ours = Correctness(distance=ours_distance)(sr, hr, view)
            plain, prepared = (theirs(lr, sr, hr, their_distance, flag) for flag in (False, True))
            largest = max(largest, *(abs(ours[share].item() - plain[share]) for share in NAMES))
            cells = (
                f"{ours[key].item():10.5f} {plain[key]:10.5f} {prepared[key]:10.5f}"
                for key in NAMES
            )
            print(f"{ours_distance:11} {name:15}", *cells)
    print(f"largest difference of ours from theirs: {largest:.1e}")


if __name__ == "__main__":
    main()
