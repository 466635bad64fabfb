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


def networks(name: str) -> list[torch.nn.Module]:
    """The two networks of a case, in eval mode."""
    from nets import FusedViT

    from fusion_bench.models.cifar_resnet import CifarResNet
    from fusion_bench.models.mlp import MLP

    build = {
        "mlp": lambda: MLP(64, [24, 20], 16),
        "resnet_bn": lambda: CifarResNet((8, 16, 24), (1, 1, 1), 16, 1),
        "resnet_gn4": lambda: CifarResNet((8, 16, 24), (1, 1, 1), 16, 1, norm_groups=4),
        "vit": FusedViT,
    }[name]
    models = []
    for key in "AB":
        with torch.random.fork_rng():
            models.append(build().eval())
        models[-1].load_state_dict(case(name)["inputs"][key])
    return models


# Published runs by name: how the engine is asked for the same.
RUNS = {
    "_avg@0.5": {"matcher": "none"},
    "_useperm@0.5": {"matcher": "align", "alpha": 1.0},
    "W@0.5": {"matcher": "zip", "alpha": 1.0},
    "_act_useperm@0.5": {"matcher": "align", "alpha": 0.0},
    "_act@0.5": {"matcher": "zip", "alpha": 0.0},
    "_act_iws_fs_useperm@0.5": {"matcher": "align", "alpha": 0.5},
    "_act_iws_fs_useperm@0.2": {"matcher": "align", "alpha": 0.2},
    "_act_iws_fs@0.5": {"matcher": "zip", "alpha": 0.5},
}
NETWORKS = ("mlp", "resnet_bn", "resnet_gn4", "vit")
