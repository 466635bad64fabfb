"""Specs cut in two, and networks that share part of their tensors."""

import pytest
import torch
from mudsc_pools import oracle_pool
from nets import inputs_for, make_net
from safetensors.torch import load_model

from fusion_bench.method.mudsc import ActivationZip, MuDSCAlign
from fusion_bench.models.checkpoint import save_module
from fusion_bench.models.partial_spec import cut
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.task_models import TaskModels


def test_groups_made_by_separate_tensors_are_left_out():
    model = make_net("resnet_bn")
    spec, separate = cut(spec_for(model), model.state_dict(), ["layer3.*", "linear.*"])
    assert list(spec.groups) == [
        "res.0",
        "layer1.0.conv1",
        "layer1.1.conv1",
        "layer2.0.conv1",
        "res.1",
        "layer2.1.conv1",
    ]
    assert separate[-1] == "linear.bias"
    assert all(name.startswith(("layer3.", "linear.")) for name in separate)


def test_wrong_cuts():
    model = make_net("vit")
    spec, params = spec_for(model), model.state_dict()
    with pytest.raises(ValueError, match=r"cuts through the group 'res': .*set residual=false"):
        cut(spec, params, ["vit.layers.1.*"])
    kept, _ = cut(spec_for(model, residual=False), params, ["vit.layers.1.*", "classifier.*"])
    assert list(kept.groups) == ["qk.0", "vo.0", "mlp.0"]
    with pytest.raises(ValueError, match=r"separate names 'head\.\*', which fits no tensor"):
        cut(spec, params, ["head.*"])
    with pytest.raises(TypeError, match=r"must be a list .*, got the string 'classifier\.\*'"):
        cut(spec, params, "classifier.*")


def test_everything_separate_gives_the_models_back():
    pool = oracle_pool("resnet_bn")
    merged = ActivationZip(separate=["*"], statistics="none").run(pool)
    for name in "AB":
        expected = pool.load_model(name).state_dict()
        found = merged.for_task(name).state_dict()
        assert all(torch.equal(tensor, expected[key]) for key, tensor in found.items())


def test_separate_heads_read_the_units_that_their_models_have():
    pool = oracle_pool()
    whole = ActivationZip(statistics="none").run(pool)
    parts = ActivationZip(statistics="none", separate=["fc3.*"]).run(pool)
    first, second = (parts.for_task(name) for name in "AB")
    assert first.fc1.weight is second.fc1.weight
    assert torch.equal(first.fc2.weight, whole.fc2.weight)
    torch.testing.assert_close((first.fc3.weight + second.fc3.weight) / 2, whole.fc3.weight)
    inputs = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    outputs = parts(inputs)
    assert list(outputs) == ["A", "B"]
    torch.testing.assert_close((outputs["A"] + outputs["B"]) / 2, whole(inputs))


@pytest.mark.parametrize("network", ["mlp", "resnet_bn", "resnet_gn4"])
def test_statistics_of_shared_layers_are_corrected_once(network):
    head = {"mlp": "fc3.*"}.get(network, "linear.*")
    whole = MuDSCAlign().run(oracle_pool(network))
    parts = MuDSCAlign(separate=[head]).run(oracle_pool(network))
    for name, tensor in parts.for_task("B").state_dict().items():
        if not name.startswith(head[:-1]):
            torch.testing.assert_close(tensor, whole.state_dict()[name])


def test_networks_that_share_can_be_saved(tmp_path):
    models = [make_net("mlp", seed) for seed in (0, 1)]
    merged = TaskModels(["a", "b"], models, ["fc3.weight", "fc3.bias"])
    save_module(merged, tmp_path / "saved")
    again = TaskModels(["a", "b"], [make_net("mlp", 2), make_net("mlp", 3)], ["fc3.weight", "fc3.bias"])
    load_model(again, str(tmp_path / "saved" / "model.safetensors"))
    inputs = inputs_for("mlp")
    assert torch.equal(again(inputs)["b"], merged(inputs)["b"])
    with pytest.raises(KeyError, match="no task 'c'"):
        merged.for_task("c")
