"""Draw the corruptions: ``python -m tools.corruptions_picture`` writes ``docs/images/corruptions.png``.

The photograph is matplotlib's sample ``grace_hopper.jpg`` (public domain, US Navy); the small images are of tiny8.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pyarrow.parquet import read_table

from fusion_bench.dataset.corruptions.parameters import Pixels
from fusion_bench.dataset.corruptions.registry import CORRUPTIONS, corrupt, generator_of_image
from fusion_bench.dataset.images import to_rgb
from fusion_bench.suites.shipped import shipped_directory

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "corruptions.png"
SEVERITY = 5
SIDE = 136  # of a cell, in pixels
GAP = 6
HEADER = 20
FACE = (96, 16, 408, 328)  # left, upper, right, lower


def photograph() -> Pixels:
    """A portrait, ``(136, 136, 3)``."""
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    face = Image.open(file).convert("RGB").crop(FACE)
    return np.asarray(face.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def small(task: str, row: int) -> Pixels:
    """A test image of the shipped suite, ``(32, 32, 3)``."""
    directory = shipped_directory(f"tiny8/{task}")
    if directory is None:
        raise FileNotFoundError(f"the suite tiny8 has no data for {task}")
    rows = read_table(directory / "test.parquet", columns=["image"])
    return np.asarray(to_rgb(rows["image"][row].as_py()))


def row_of(image: Pixels) -> list[Pixels]:
    """The image as it is, then with each corruption."""
    return [image, *(corrupt(name, image, SEVERITY, generator_of_image(0, name, 0)) for name in CORRUPTIONS)]


def main() -> None:
    """One column a corruption, one row an image."""
    rows = [row_of(photograph()), row_of(small("clipart", 0)), row_of(small("fashion", 3))]
    names = ["clean", *CORRUPTIONS]
    size = (len(names) * (SIDE + GAP) - GAP, HEADER + len(rows) * (SIDE + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        left = column * (SIDE + GAP)
        draw.text((left + SIDE // 2, HEADER // 2), name, "black", ImageFont.load_default(13), anchor="mm")
        for line, images in enumerate(rows):
            cell = Image.fromarray(images[column]).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            sheet.paste(cell, (left, HEADER + line * (SIDE + GAP)))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(256, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
