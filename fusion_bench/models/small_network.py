"""The base of the project's small networks: they know the arguments that build them, and write them beside weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from fusion_bench.models.checkpoint import save_params
from fusion_bench.utils.files import write_json

ARCHITECTURE = "fusion_bench_architecture"
ARGUMENTS = "arguments"


class SmallNetwork(nn.Module):
    """A network that is saved as ``model.safetensors`` and a ``config.json`` of its class and arguments."""

    architecture: ClassVar[str]
    arguments: dict[str, Any]

    def save_pretrained(self, directory: str | Path) -> None:
        """Write configuration and weights into an existing directory."""
        write_json(Path(directory) / "config.json", {ARCHITECTURE: self.architecture, ARGUMENTS: self.arguments})
        save_params(self.state_dict(), Path(directory))
