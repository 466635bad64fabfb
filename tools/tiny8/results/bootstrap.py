"""How sure a difference of two methods is, by resampling the test images that both were scored on (Efron, 1979)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.tiny8.results.scores import Hits, Row

DRAWS = 5000


@dataclass(frozen=True)
class Difference:
    """First minus second, in accuracy averaged over the tasks, with its 95 % interval."""

    first: str
    second: str
    value: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_difference(first: Row, second: Row, *, draws: int = DRAWS, seed: int = 0) -> Difference:
    """Both methods on the same resampled images, task by task."""
    differences = [first.hits[task] - second.hits[task] for task in first.hits]
    means = resampled_means(differences, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(first.name, second.name, first.mean - second.mean, float(low), float(high))


def interval(hits: Hits, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean accuracy of one method."""
    means = resampled_means(list(hits.values()), draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def resampled_means(values: list[np.ndarray], draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means over tasks of the means over images that are drawn with replacement, ``(draws,)``."""
    total = np.zeros(draws)
    for task in values:
        counts = rng.multinomial(len(task), np.full(len(task), 1 / len(task)), size=draws)
        total += counts @ task / len(task)
    return np.asarray(total / len(values))
