"""What all alignment methods share: data, statistics, weights, and errors that say what is wrong."""

import copy

import pytest
import torch
from mudsc_oracle import case, networks
from mudsc_pools import oracle_pool
from nets import inputs_for, make_net
from torch import nn

from fusion_bench.method.mudsc import ActivationAlign, MuDSC, PlainAverage, WeightAlign
from fusion_bench.modelpool import BaseModelPool
from fusion_bench.models.mlp import MLP


def test_batch_norms_are_estimated_anew_on_the_union():
    pool = oracle_pool("resnet_bn")
    expected = PlainAverage(statistics="none").run(pool)
    merged = PlainAverage(batch_size=256).run(pool)
    images = case("resnet_bn")["inputs"]["act_batches"].flatten(0, 1)
    outputs = expected.conv1(images)
    torch.testing.assert_close(merged.bn1.running_mean, outputs.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert not torch.equal(merged.bn1.running_mean, expected.bn1.running_mean)
    assert torch.equal(merged.conv1.weight, expected.conv1.weight)


def test_batch_norms_of_the_models_can_be_estimated_anew_first():
    pool = oracle_pool("resnet_bn")
    merged = PlainAverage(statistics="none", input_statistics=True, batch_size=256).run(pool)
    images = case("resnet_bn")["inputs"]["act_batches"].flatten(0, 1)
    means = [model.conv1(images).mean(dim=(0, 2, 3)) for model in networks("resnet_bn")]
    torch.testing.assert_close(merged.bn1.running_mean, sum(means) / 2, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="input_statistics takes training data, and the model pool has none"):
        WeightAlign(input_statistics=True).run({"a": make_net("resnet_bn"), "b": make_net("resnet_bn", 1)})


def test_the_published_code_estimates_batch_norms_of_the_models_anew():
    networks = dict(oracle_pool("resnet_bn").named_models())
    brighter = case("resnet_bn")["inputs"]["act_batches"].flatten(0, 1) + 1
    pool = BaseModelPool(networks, train_datasets=dict.fromkeys(networks, brighter))

    def means(given=pool, **options):
        return PlainAverage(statistics="none", batch_size=256, **options).run(given).bn1.running_mean

    assert torch.equal(means(faithful=True), means(input_statistics=True))
    assert torch.equal(means(faithful=True, input_statistics=False), means())
    assert not torch.allclose(means(faithful=True), means(), atol=0.1)
    assert torch.equal(means(networks, faithful=True), means())  # without training data


def test_images_can_be_bounded(monkeypatch):
    asked = []
    pool = oracle_pool()
    original = pool.input_batches
    monkeypatch.setattr(pool, "input_batches", lambda *a, **k: asked.append(k["limit"]) or original(*a, **k))
    MuDSC(images=50, statistics_images=20).run(pool)
    assert asked[0] == 50
    assert set(asked[1:]) == {20}


def test_weights_by_name():
    merged = PlainAverage(weights={"B": 3, "A": 1}, statistics="none").run(oracle_pool())
    first, second = networks("mlp")
    torch.testing.assert_close(merged.fc3.weight, 0.25 * first.fc3.weight + 0.75 * second.fc3.weight)


def test_one_model_comes_back_as_it_is(caplog):
    model = make_net("resnet_bn")
    caplog.set_level("INFO")
    options = {"input_statistics": True, "statistics": "batch_norm", "faithful": True}
    merged = MuDSC(**options).run(BaseModelPool({"only": model}, train_datasets={"only": inputs_for("resnet_bn", 9)}))
    assert "one model, 'only', which is the result as it is" in caplog.text
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in merged.state_dict().items())


def test_three_models():
    models = {name: make_net("mlp", seed) for seed, name in enumerate("abc")}
    inputs = inputs_for("mlp", 40)
    for matcher in ("align", "zip"):
        merged = MuDSC(matcher=matcher).run(BaseModelPool(models, train_datasets=dict.fromkeys(models, inputs)))
        assert torch.isfinite(merged(inputs)).all()


def test_a_dead_unit_is_merged_all_the_same():
    models = {name: make_net("mlp", seed) for seed, name in enumerate("ab")}
    with torch.no_grad():
        models["a"].fc1.weight[0], models["a"].fc1.bias[0] = 0, -1
    inputs = inputs_for("mlp", 40)
    merged = MuDSC().run(BaseModelPool(models, train_datasets=dict.fromkeys(models, inputs)))
    assert torch.isfinite(merged(inputs)).all()


class TestErrors:
    def test_no_data(self):
        with pytest.raises(ValueError, match=r"alpha=0 compares activations, which takes training data, .* none for"):
            ActivationAlign().run({"a": make_net("mlp"), "b": make_net("mlp", 1)})

    def test_no_data_of_one_model(self):
        models = {"a": make_net("mlp"), "b": make_net("mlp", 1)}
        with pytest.raises(ValueError, match=r"the model pool has none for \['b'\]; give it train_datasets"):
            ActivationAlign().run(BaseModelPool(models, train_datasets={"a": inputs_for("mlp")}))

    def test_no_such_spec(self):
        with pytest.raises(FileNotFoundError, match=r"no permutation spec at nowhere\.yaml; spec must be a YAML file"):
            WeightAlign(spec="nowhere.yaml").run({"a": make_net("mlp"), "b": make_net("mlp", 1)})

    def test_no_data_for_statistics_that_are_asked_for(self):
        with pytest.raises(ValueError, match="statistics=repair takes training data, and the model pool has none"):
            WeightAlign(statistics="repair").run({"a": make_net("mlp"), "b": make_net("mlp", 1)})

    def test_statistics_are_left_out_with_a_warning(self, caplog):
        WeightAlign().run({"a": make_net("resnet_bn"), "b": make_net("resnet_bn", 1)})
        assert "keeps statistics that do not fit it" in caplog.text

    def test_different_architectures(self):
        with pytest.raises(
            ValueError, match="model 'b' is a VGG, 'a' a MLP: units can be matched between models of one"
        ):
            WeightAlign().run({"a": make_net("mlp"), "b": make_net("vgg")})
        with pytest.raises(ValueError, match=r"'b' lacks the tensor 'fc4\.weight'"):
            WeightAlign().run({"a": MLP(9, [8, 6, 6], 3), "b": make_net("mlp")})

    def test_different_widths(self):
        other = make_net("mlp")
        other.fc1 = nn.Linear(9, 7)
        with pytest.raises(ValueError, match=r"'fc1\.weight' has shape \(7, 9\), .* models of the same widths"):
            WeightAlign().run({"a": make_net("mlp"), "b": other})

    def test_nan_activations(self):
        inputs = inputs_for("mlp", 4)
        inputs[1, 2] = float("nan")
        models = {"a": make_net("mlp"), "b": make_net("mlp", 1)}
        with pytest.raises(ValueError, match="model 'a' computes NaN or infinite activations at 'fc2', so its"):
            MuDSC().run(BaseModelPool(models, train_datasets=dict.fromkeys(models, inputs)))

    def test_no_models(self):
        with pytest.raises(ValueError, match="the model pool has no models to merge"):
            WeightAlign().run({"_pretrained_": make_net("mlp")})

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"statistics": "all"}, "statistics must be one of auto, batch_norm, repair, none; got 'all'"),
            ({"input_statistics": "yes"}, "input_statistics must be true, false or null, got 'yes'"),
            ({"images": 0}, "images must be at least 1, got 0"),
            ({"alpha": 2}, r"alpha must be in \[0, 1\], got 2"),
        ],
    )
    def test_wrong_options(self, options, message):
        with pytest.raises(ValueError, match=message):
            MuDSC(**options)

    def test_weights_must_be_positive(self):
        with pytest.raises(ValueError, match="weights must be positive"):
            WeightAlign(weights=[1, 0]).run({"a": make_net("mlp"), "b": make_net("mlp", 1)})


def test_the_models_are_left_alone():
    models = {name: make_net("resnet_gn", seed) for seed, name in enumerate("ab")}
    before = {name: copy.deepcopy(model.state_dict()) for name, model in models.items()}
    MuDSC().run(BaseModelPool(models, train_datasets=dict.fromkeys(models, inputs_for("resnet_gn", 20))))
    for name, model in models.items():
        assert all(torch.equal(tensor, before[name][key]) for key, tensor in model.state_dict().items())
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_half_precision_is_computed_in_float32_and_given_back_as_it_was(monkeypatch):
    inputs = inputs_for("mlp", 40)
    models = {name: make_net("mlp", seed).to(torch.bfloat16) for seed, name in enumerate("ab")}
    seen = []
    forward = nn.Linear.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: seen.append(x.dtype) or forward(self, x))
    pool = BaseModelPool(models, train_datasets=dict.fromkeys(models, inputs))
    for method in (MuDSC(), MuDSC(alpha="auto", alphas=[0.0, 1.0], alpha_data="train"), MuDSC(separate=["fc3.*"])):
        merged = method.run(pool)
        assert {tensor.dtype for tensor in merged.state_dict().values()} == {torch.bfloat16}
    moved = WeightAlign().moved_models(pool)
    assert {tensor.dtype for tensor in moved["b"].state_dict().values()} == {torch.bfloat16}
    assert set(seen) == {torch.float32}
