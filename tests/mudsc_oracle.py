"""The files of ``tests/oracle/mudsc``, and the networks they belong to."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch

ORACLE = Path(__file__).parent / "oracle" / "mudsc"
MATCHING_CASES = {case["name"]: case for case in json.loads((ORACLE / "matching_cases.json").read_text())}


@cache
def arrays() -> dict[str, torch.Tensor]:
    """The arrays of the isolated matching cases."""
    with np.load(ORACLE / "matching_cases.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@cache
def case(name: str) -> dict:
    """Inputs, groups and runs of one network."""
    return torch.load(ORACLE / f"{name}.pt", weights_only=True)
