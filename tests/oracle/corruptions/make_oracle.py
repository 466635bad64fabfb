"""Writes ``expected.npz`` with the package that the README beside this file names; the tests do not run this."""

import sys
import types
from pathlib import Path

import numpy as np
from PIL import Image

# The package asks setuptools' old module for files of corruptions that are not used here.
sys.modules["pkg_resources"] = types.SimpleNamespace(resource_filename=lambda *parts: "")

from imagecorruptions import corruptions  # noqa: E402

FOLDER = Path(__file__).parent
NAMES = {
    "motion_blur": "motion_blur",
    "impulse_noise": "impulse_noise",
    "gaussian_noise": "gaussian_noise",
    "pixelate": "pixelate",
    "spatter": "spatter",
    "contrast": "contrast",
    "jpeg_quality": "jpeg_compression",
}
SEED = 20

expected = {}
for name, theirs in NAMES.items():
    for severity in range(1, 6):
        np.random.seed(SEED)
        image = Image.open(FOLDER / "input.png")
        corrupted = np.uint8(np.array(getattr(corruptions, theirs)(image, severity)))
        expected[f"{name}_{severity}"] = corrupted[1::4, 1::4]
np.savez_compressed(FOLDER / "expected.npz", **expected)
