"""Norms, angles and singular values of task vectors, as values that go to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fusion_bench.reporting.landscape import write_tensors
from fusion_bench.utils.files import write_json

JSON_FILE = "task_vectors.json"
TENSOR_FILE = "task_vectors.safetensors"


@dataclass(frozen=True, kw_only=True)
class TaskVectorStatistics:
    """What tells the task vectors of several models apart.

    Args:
        norms: L2 norm over all parameters, by model.
        cosines: cosine of the angle between each two, in the order of ``norms``; None beside a vector of zeros.
        singular_values: by the weight of a linear layer, then by model, largest first, float64.
    """

    norms: Mapping[str, float]
    cosines: Sequence[Sequence[float | None]]
    singular_values: Mapping[str, Mapping[str, Tensor]]

    def entries(self) -> dict[str, Any]:
        """Everything but the singular values, as ``task_vectors.json`` holds it."""
        return {
            "models": list(self.norms),
            "norms": dict(self.norms),
            "cosine_similarity": [list(row) for row in self.cosines],
            "layers": list(self.singular_values),
        }

    def save(self, directory: Path) -> None:
        """Write ``task_vectors.json``, and ``singular_values/<model>/<weight>`` to ``task_vectors.safetensors``."""
        tensors = {
            f"singular_values/{model}/{layer}": values
            for layer, by_model in self.singular_values.items()
            for model, values in by_model.items()
        }
        write_tensors(directory / TENSOR_FILE, tensors)
        write_json(directory / JSON_FILE, self.entries())
