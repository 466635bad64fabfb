"""What one OPCM step takes at least, by the rates of a machine.

Two floors. The one of the algorithm takes the machine's own eigendecomposition as it is timed. The physical one counts
its arithmetic too, at the rate of products: 14/3 m³ for a full eigensystem (4/3 to make the matrix tridiagonal, 4/3 for
the eigenvectors of that at the least, 2 to turn them back).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.rates import Rates

Shape = tuple[int, int]
_FLOAT64_GRAM = 3  # columns per row below which the Gram matrix is of float64 products


class Floor(NamedTuple):
    """Seconds of a step, each part spread over all cores."""

    reading: float  # the incoming checkpoint from disk; 0 where it is in memory
    memory: float  # the base, the incoming model and the accumulator through memory, the accumulator back
    products: float
    eigensystems: float  # as timed
    eigensystems_at_peak: float  # as counted, at the rate of float64 products

    @property
    def algorithm(self) -> float:
        """With the machine's own eigendecomposition."""
        return self.reading + self.memory + self.products + self.eigensystems

    @property
    def physical(self) -> float:
        """With its arithmetic at the rate of products."""
        return self.reading + self.memory + self.products + self.eigensystems_at_peak


def product_flops(shape: Shape) -> tuple[float, float]:
    """Flops in float32 and in float64 of the products for one weight.

    Half of the Gram matrix, in float32 where it is much longer than high, and three products in float32: the right
    singular vectors, the coordinates of the task vector, and what is removed. With the products of the leading block,
    which depend on the split, left out.
    """
    rows, columns = sorted(shape)
    gram, rest = float(rows * rows * columns), 6.0 * rows * rows * columns
    return (rest, gram) if columns < _FLOAT64_GRAM * rows else (rest + gram, 0.0)


def eigh_seconds(rows: int, rates: Rates) -> float:
    """Seconds on one core; from the nearest size that was measured, by the cube, where this one was not."""
    known = min((int(size) for size in rates["eigh"]), key=lambda size: abs(size - rows))
    return rates["eigh"][str(known)] * (rows / known) ** 3


def floor_of_step(shapes: Sequence[Shape], checkpoint: float, rates: Rates, *, workers: int, cold: bool) -> Floor:
    """The floor for weights of ``shapes`` and checkpoints of ``checkpoint`` bytes.

    Args:
        shapes: of the weights of linear layers.
        checkpoint: bytes of a float32 model.
        rates: of the machine.
        workers: cores in use.
        cold: whether checkpoints come from disk.
    """
    flops = [product_flops(shape) for shape in shapes]
    single, double = (sum(pair[place] for pair in flops) for place in (0, 1))
    rows = [min(shape) for shape in shapes]
    return Floor(
        reading=checkpoint / rates["disk_read"] if cold else 0.0,
        memory=4 * checkpoint / rates["memory"],
        products=(single / rates["product_float32"] + double / rates["product_float64"]) / workers,
        eigensystems=sum(eigh_seconds(size, rates) for size in rows) / workers,
        eigensystems_at_peak=sum(14 / 3 * size**3 for size in rows) / rates["product_float64"] / workers,
    )
