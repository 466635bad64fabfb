"""Draw sample images of every task: ``python -m tools.tiny8.picture`` writes ``docs/images/tiny8.png``."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from tools.tiny8.data.tasks import TASKS, Task
from tools.tiny8.suite import ROOT, SHIPPED

PICTURE = ROOT / "docs/images/tiny8.png"
COLUMNS = 14


def samples(task: Task, count: int) -> list[Image.Image]:
    """Test images of one task, class after class and round again."""
    table = pq.read_table(SHIPPED / "data" / task.name / "test.parquet", columns=["image", "label"])
    labels = np.array(table["label"].to_pylist())
    rng = np.random.default_rng(0)
    rounds = [rng.permutation(np.flatnonzero(labels == label)) for label in range(len(task.classes))]
    chosen = [rounds[i % len(rounds)][i // len(rounds)] for i in range(count)]
    cells = table["image"].to_pylist()
    return [Image.open(io.BytesIO(cells[index]["bytes"])).convert("RGB") for index in chosen]


def main() -> None:
    """One row of images a task, with its name."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.4), dpi=140, facecolor="white")
    grid = figure.add_gridspec(
        len(TASKS), COLUMNS, left=0.1, right=0.995, top=0.995, bottom=0.005, wspace=0.06, hspace=0.06
    )
    for row, task in enumerate(TASKS):
        for column, image in enumerate(samples(task, COLUMNS)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(image, interpolation="nearest")
            axes.set_axis_off()
            if column == 0:
                axes.text(-0.25, 0.5, task.name, transform=axes.transAxes, ha="right", va="center", fontsize=10)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE)


if __name__ == "__main__":
    main()
