"""The engine against all published runs, and planted permutations."""

import pytest
import torch
from mudsc_oracle import NETWORKS, RUNS, case, networks
from nets import inputs_for, make_net

from fusion_bench.method.mudsc.engine import Engine
from fusion_bench.models.batch_norm import reestimate_
from fusion_bench.models.cifar_resnet import CifarResNet
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permuting import permuted_params, random_permutations
from fusion_bench.models.spec_validation import random_tensors


def match(engine, models, spec, batches):
    activations = engine.similarities(models, spec, batches) if engine.compares_activations else None
    return engine.match([model.state_dict() for model in models], spec, activations)


def merge(engine, models, spec, matchings, weights=(0.5, 0.5)):
    params = [model.state_dict() for model in models]
    return {name: engine.merge(params, spec, matchings, weights, name) for name in params[0]}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("network", NETWORKS)
def test_published_runs(network, run):
    inputs, expected = case(network)["inputs"], case(network)["variants"][run]
    models = networks(network)
    spec = spec_for(models[0])
    engine = Engine(faithful=True, **RUNS[run])
    found = match(engine, models, spec, inputs["act_batches"])
    names = list(spec.groups)

    for number, name in enumerate(names):
        if "unmerge" in expected:
            assert torch.equal(found.matchings[name].unmerge(), expected["unmerge"][number].double())
        elif found.matchings:
            assert found.matchings[name].permutation(1).tolist() == expected["index_B"][number].tolist()
    for ours, theirs in zip(found.sweeps, expected["sweeps"], strict=False):  # ours stop where nothing can change
        assert [name for name, _ in ours] == [names[number] for number, _ in theirs]
        assert [value for _, value in ours] == pytest.approx([value for _, value in theirs], abs=1e-5)

    merged = merge(engine, models, spec, found.matchings)
    for name, tensor in merged.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected["merged"][name].float(), rtol=0, atol=1e-5)
    model = models[0]
    model.load_state_dict(merged)
    with torch.no_grad():
        torch.testing.assert_close(model(inputs["probe"]), expected["out_before_reset"], rtol=0, atol=1e-4)
        reestimate_(model, inputs["act_batches"])
        torch.testing.assert_close(model(inputs["probe"]), expected["out_after_reset"], rtol=0, atol=1e-4)
    for name, tensor in expected["bn_after_reset"].items():
        if tensor.is_floating_point():
            torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_published_activation_correlations(network):
    models, inputs = networks(network), case(network)["inputs"]
    spec = spec_for(models[0])
    found = Engine(faithful=True).similarities(models, spec, inputs["act_batches"])
    for number, name in enumerate(spec.groups):
        torch.testing.assert_close(found[name], inputs["act_sims"][number], rtol=0, atol=1e-4)


def planted(family, noise, seed, model=None):
    """A network, itself with its units permuted and noise on every tensor, and the permutations that undo that."""
    make = model or (lambda: make_net(family))
    generator = torch.Generator().manual_seed(seed)
    first = make().eval()
    tensors = random_tensors(first.state_dict(), generator)
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    spec = spec_for(first, residual=True)
    permutations = random_permutations(spec, tensors, generator)
    moved = permuted_params(tensors, spec, permutations)
    for name, tensor in moved.items():
        if tensor.is_floating_point() and not name.endswith("running_var"):
            moved[name] = tensor + noise * tensor.std() * torch.randn(tensor.shape, generator=generator)
    second = make().eval()
    first.load_state_dict(tensors)
    second.load_state_dict(moved)
    return [first, second], spec, {name: permutation.argsort() for name, permutation in permutations.items()}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("family", ["mlp", "vgg", "resnet_bn", "resnet_gn", "convnext", "vit", "clip", "timm"])
def test_planted_permutations_are_recovered_from_weights(family, seed):
    models, spec, expected = planted(family, 0.3, seed)
    found = match(Engine(matcher="align", alpha=1.0), models, spec, [])
    for name, permutation in expected.items():
        assert found.matchings[name].permutation(1).tolist() == permutation.tolist(), name


def wide_resnet(groups=None):
    return CifarResNet((8, 12, 16), (1, 2, 1), 3, 1, norm_groups=groups)


@pytest.mark.parametrize(
    ("family", "make"),
    [("mlp", None), ("resnet_bn", wide_resnet), ("resnet_gn", lambda: wide_resnet(4)), ("vit", None), ("clip", None)],
)
def test_planted_permutations_are_recovered_from_both_spaces(family, make):
    models, spec, expected = planted(family, 0.3, 0, make)
    found = match(Engine(matcher="align"), models, spec, [inputs_for(family, 64, seed) for seed in range(2)])
    for name, permutation in expected.items():
        assert found.matchings[name].permutation(1).tolist() == permutation.tolist(), name


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("family", ["mlp", "resnet_bn", "resnet_gn", "vit", "clip_projection"])
def test_a_model_that_is_only_moved_keeps_its_function(family, alpha):
    models = [make_net(family, seed) for seed in (1, 2)]
    spec = spec_for(models[0], residual=True)
    found = match(Engine(matcher="align", alpha=alpha), models, spec, [inputs_for(family, 32)])
    back = {name: matching.permutation(1) for name, matching in found.matchings.items()}
    inputs = inputs_for(family, 4, seed=9).double()
    before = models[1].double()(inputs)
    models[1].load_state_dict(permuted_params(models[1].state_dict(), spec, back))
    after = models[1](inputs)
    for output in [...] if isinstance(before, torch.Tensor) else ["logits", "image_embeds"]:
        if isinstance(before, torch.Tensor) or output in before:
            torch.testing.assert_close(after[output], before[output], rtol=0, atol=1e-10)


@pytest.mark.parametrize("matcher", ["align", "zip"])
def test_permuted_copies_of_a_model_merge_into_it(matcher):
    models, spec, _ = planted("mlp", 0.0, 3)
    third, _, _ = planted("mlp", 0.0, 3)
    models.append(third[0])
    found = match(Engine(matcher=matcher, alpha=1.0, a=1e-4, b=0.0), models, spec, [])
    merged = merge(Engine(), models, spec, found.matchings, [0.5, 0.3, 0.2])
    inputs = inputs_for("mlp", 4)
    expected = models[0](inputs)
    models[1].load_state_dict(merged)
    torch.testing.assert_close(models[1](inputs), expected)


def test_the_same_seed_gives_the_same_matching_and_weights_count():
    models = networks("mlp")
    spec = spec_for(models[0])
    first, second = (match(Engine(matcher="zip", alpha=1.0, seed=4), models, spec, []) for _ in range(2))
    assert all(first.matchings[name].same_as(second.matchings[name]) for name in spec.groups)
    merged = merge(Engine(), models, spec, {}, [0.9, 0.1])
    expected = 0.9 * models[0].fc1.weight + 0.1 * models[1].fc1.weight
    torch.testing.assert_close(merged["fc1.weight"], expected.detach())


def test_one_model_needs_no_matching():
    model = make_net("mlp")
    assert Engine().match([model.state_dict()], spec_for(model)).matchings == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matcher": "glue"}, "matcher must be one of align, zip, none; got 'glue'"),
        ({"alpha": 1.5}, r"alpha must be in \[0, 1\], got 1.5"),
        ({"a": 0.0}, r"a must be in \(0, 1\], got 0.0"),
        ({"b": -1.0}, r"b must be in \[0, 1\], got -1.0"),
        ({"max_sweeps": 0}, "max_sweeps and patience must be at least 1, got 0 and 5"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        Engine(**options)


def test_activations_are_needed_for_a_balance():
    model = make_net("mlp")
    with pytest.raises(ValueError, match=r"alpha=0\.5 compares activations, but none were given"):
        Engine().match([model.state_dict()] * 2, spec_for(model))
