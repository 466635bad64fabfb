"""REPAIR and the statistics of batch normalisations."""

import pytest
import torch
from nets import inputs_for, make_net
from torch import nn

from fusion_bench.functional.permutation import Matching
from fusion_bench.models.batch_norm import reestimate_
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.repair import repair_, repaired_layers


def averaged(family):
    """Two networks, their plain average, and the matching of every unit with the one of its number."""
    parents = [make_net(family, seed) for seed in (0, 1)]
    merged = make_net(family)
    states = [parent.state_dict() for parent in parents]
    merged.load_state_dict({name: (states[0][name] + states[1][name]) / 2 for name in states[0]})
    spec = spec_for(merged, residual=True)
    sizes = spec.sizes({name: tensor.shape for name, tensor in states[0].items()})
    return parents, merged, spec, {name: Matching.identity(2, units) for name, units in sizes.items()}


def moments(model, layer, inputs):
    """Mean and deviation of each channel of a layer's output."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, given, output: kept.append(output))
    with torch.no_grad():
        model(inputs)
    handle.remove()
    axis = -1 if isinstance(model.get_submodule(layer), nn.Linear) else 1
    rows = kept[0].movedim(axis, 0).flatten(1)
    return torch.stack([rows.mean(dim=1), rows.std(dim=1, unbiased=False)])


@pytest.mark.parametrize("family", ["mlp", "vgg_plain", "resnet_gn", "vit"])
def test_units_get_the_mean_and_deviation_of_their_parents(family):
    parents, merged, spec, matchings = averaged(family)
    inputs = inputs_for(family, 32)
    layers = repaired_layers(merged, spec, matchings)
    assert layers
    repair_(merged, parents, spec, matchings, [0.75, 0.25], lambda: [inputs])
    for layer in layers:
        first, second = (moments(parent, layer, inputs) for parent in parents)
        torch.testing.assert_close(moments(merged, layer, inputs), 0.75 * first + 0.25 * second, rtol=1e-3, atol=1e-4)


def test_clusters_take_the_mean_of_their_members():
    parents, merged, spec, matchings = averaged("mlp")
    clusters = torch.tensor([[0, 0, 1, 2, 3, 4, 5, 6], [7, 1, 1, 2, 3, 4, 5, 6]])
    matchings["fc1"] = Matching(clusters)
    inputs = inputs_for("mlp", 32)
    repair_(merged, parents, spec, matchings, [0.5, 0.5], lambda: [inputs])
    first, second = (moments(parent, "fc1", inputs) for parent in parents)
    found = moments(merged, "fc1", inputs)
    torch.testing.assert_close(found[:, 0], (first[:, 0] + first[:, 1]) / 2, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[:, 1], (first[:, 2] + second[:, 1] + second[:, 2]) / 3, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[:, 7], second[:, 0], rtol=1e-3, atol=1e-4)


def test_only_what_was_merged_is_repaired():
    parents, merged, spec, matchings = averaged("mlp")
    before = merged.fc2.weight.clone()
    repair_(merged, parents, spec, {"fc1": matchings["fc1"]}, [0.5, 0.5], lambda: [inputs_for("mlp", 32)])
    assert torch.equal(merged.fc2.weight, before)


def test_no_data():
    parents, merged, spec, matchings = averaged("mlp")
    with pytest.raises(ValueError, match="no data was given to repair the model on"):
        repair_(merged, parents, spec, matchings, [0.5, 0.5], list)
    with pytest.raises(ValueError, match="no data was given to estimate the statistics"):
        reestimate_(make_net("resnet_bn"), [])


def test_running_statistics_are_the_mean_over_the_batches_and_modes_stay():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.9))
    model[1].eval()
    batches = [torch.tensor([[0.0, 1.0], [2.0, 5.0]]), torch.tensor([[10.0, 0.0], [12.0, 0.0]])]
    reestimate_(model, batches)
    assert model[0].running_mean.tolist() == [6.0, 1.5]
    assert model[0].running_var.tolist() == [2.0, 4.0]
    assert (model.training, model[0].training, model[1].training) == (True, True, False)
    assert model[0].momentum == 0.1
