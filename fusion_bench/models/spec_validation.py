"""Proof that a permutation spec fits a network: a permuted network computes the same function.

Every tensor is made random first. Fresh networks have norms of scale one and biases of zero, which are the same in
every order, so that errors in a spec would not show.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fusion_bench.functional.params import Params
from fusion_bench.models.permutation_spec import PermutationSpec
from fusion_bench.models.permuting import outputs_of, permuted_outputs, permuted_params, random_permutations
from fusion_bench.models.spec_repairs import repairs

TOLERANCE = 1e-10  # relative to the largest output, in float64


def validate_spec(model: nn.Module, spec: PermutationSpec, inputs: Tensor, *, seed: int = 0) -> float:
    """The largest difference, in float64, that random permutations of all groups make to the outputs of ``model``.

    Args:
        model: the network; it is left as it is. Its tensors are replaced by random ones in a copy.
        spec: what to prove.
        inputs: a small batch, the first argument of the model.
        seed: of the random tensors and permutations.

    Raises:
        ValueError: if the spec does not fit the tensors, or a permutation changes the outputs. The message names the
            groups at fault and the tensors that a repaired spec would add, drop or treat otherwise.
    """
    spec.check(model.state_dict())
    proof = Proof(model, inputs, seed)
    difference = proof.difference(spec, list(spec.groups))
    if difference <= TOLERANCE:
        return difference
    raise ValueError(
        f"the permutation spec is wrong: permuting the units changes the outputs by {difference:.2g} of their size.\n"
        + "\n".join(_findings(proof, spec))
    )


class Proof:
    """A network with random tensors in float64, and its outputs.

    Args:
        model: the network; a copy is used.
        inputs: a small batch.
        seed: of the tensors and of the permutations.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, seed: int) -> None:
        self._model = copy.deepcopy(model).double().eval()
        self._inputs: Any = inputs.double() if inputs.is_floating_point() else inputs
        self._seed = seed
        self.params: Params = random_tensors(self._model.state_dict(), torch.Generator().manual_seed(seed))
        self.outputs = outputs_of(self._model, self.params, self._inputs)

    def difference(self, spec: PermutationSpec, groups: Sequence[str]) -> float:
        """The largest difference of an output, relative to the largest output, when ``groups`` are permuted.

        It is infinite where the network cannot compute any more, or computes NaN.
        """
        generator = torch.Generator().manual_seed(self._seed + 1)
        permutations = random_permutations(spec, self.params, generator, groups=groups)
        expected = permuted_outputs(self.outputs, spec, permutations)
        found = outputs_of(self._model, permuted_params(self.params, spec, permutations), self._inputs)
        worst = 0.0
        for name, output in expected.items():
            change = float((found[name] - output).abs().max() / output.abs().max().clamp(min=1))
            worst = max(worst, change if math.isfinite(change) else math.inf)
        return worst

    def holds(self, spec: PermutationSpec, groups: Sequence[str]) -> bool:
        """Whether permuting ``groups`` leaves the function as it is."""
        return self.difference(spec, groups) <= TOLERANCE


def random_tensors(params: Params, generator: torch.Generator) -> dict[str, Tensor]:
    """Random float64 tensors of the shapes of ``params``: positive variances, vectors around one, scaled weights."""
    result = {}
    for name, tensor in params.items():
        if not tensor.is_floating_point():
            result[name] = tensor
            continue
        noise = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_var"):
            result[name] = 0.5 + noise.abs()
        elif tensor.dim() < 2:
            result[name] = 1 + 0.5 * noise
        else:
            result[name] = noise / math.sqrt(tensor[0].numel())
    return result


def _findings(proof: Proof, spec: PermutationSpec) -> list[str]:
    """What is wrong, one line a group that is at fault, with every repair that makes it right."""
    lines = []
    for tied in spec.ties():
        if proof.holds(spec, tied):
            continue
        names = " with ".join(repr(name) for name in tied)
        found = [
            repair.text
            for repair in repairs(spec, tied, proof.params, proof.outputs)
            if _fits(repair.spec, proof.params) and proof.holds(repair.spec, repair.groups)
        ]
        advice = (
            "; or ".join(found) or "no single change of the spec repairs it, so several tensors are missing or wrong"
        )
        lines.append(f"- group {names}: {advice}")
    return lines or ["- each group is right alone; two of them disagree on a tensor that holds both"]


def _fits(spec: PermutationSpec, params: Params) -> bool:
    try:
        spec.check(params)
    except ValueError:
        return False
    return True
