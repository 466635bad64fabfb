"""Activations read by hooks, for all groups in one pass."""

from dataclasses import replace

import pytest
import torch
from mudsc_oracle import arrays
from nets import inputs_for, make_net

from fusion_bench.models.activations import activation_similarity, unit_rows
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permutation_spec import Group, Tap


def test_pairs_of_indices_are_units_as_in_the_published_code():
    rows = unit_rows(arrays()["norm_qk.in"], Tap(module="k_norm", side="out", dim=(1, 3)))
    expected = arrays()["norm_qk.out"].transpose(0, 1).flatten(1)
    assert torch.equal(rows, expected)


def test_correlations_are_those_of_what_the_layers_read():
    models = [make_net("mlp", seed) for seed in (0, 1)]
    inputs = inputs_for("mlp", 40)
    seen = []

    def forward(model):
        return lambda batch: seen.append(len(batch)) or type(model).forward(model, batch)

    for model in models:
        model.forward = forward(model)
    found = activation_similarity(models, spec_for(models[0]), inputs.split(10), cross=True)
    hidden = [model.fc1(inputs).relu().detach() for model in models]
    expected = torch.corrcoef(torch.cat(hidden, dim=1).T)[:8, 8:]
    torch.testing.assert_close(found["fc1"][0], expected.nan_to_num(), rtol=0, atol=1e-5)
    assert seen == [10] * 8  # every model sees every batch once, for all groups
    assert list(found) == ["fc1", "fc2"]


def test_correlations_at_several_taps_are_averaged_or_pooled():
    models = [make_net("vit", seed) for seed in (0, 1)]
    spec, inputs = spec_for(models[0]), inputs_for("vit", 6)
    alone = []
    for tap in spec.groups["qk.0"].taps:
        groups = {"qk.0": replace(spec.groups["qk.0"], taps=(tap,))}
        alone.append(activation_similarity(models, replace(spec, groups=groups), [inputs], cross=True)["qk.0"])
    both = replace(spec, groups={"qk.0": spec.groups["qk.0"]})
    torch.testing.assert_close(activation_similarity(models, both, [inputs], cross=True)["qk.0"], sum(alone) / 2)
    pooled = activation_similarity(models, both, [inputs], cross=True, pooled=True)["qk.0"]
    assert (pooled - sum(alone) / 2).abs().max() > 1e-3


def test_wrong_taps():
    model = make_net("mlp")
    spec = spec_for(model)
    none = replace(spec, groups={"fc1": Group(members=spec.groups["fc1"].members)})
    with pytest.raises(ValueError, match="group 'fc1' has no taps"):
        activation_similarity([model], none, [], cross=True)
    wrong = replace(spec, groups={"fc1": replace(spec.groups["fc1"], taps=(Tap(module="fc9"),))})
    with pytest.raises(ValueError, match="a tap names the module 'fc9', which the model lacks"):
        activation_similarity([model], wrong, [inputs_for("mlp")], cross=True)
    with pytest.raises(ValueError, match="no data was given to compare activations on"):
        activation_similarity([model], spec, [], cross=True)
