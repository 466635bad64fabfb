"""Permutation specs of all families: function equality, coverage, and what is wrong with wrong ones."""

from dataclasses import replace

import pytest
import torch
import yaml
from nets import FAMILIES, inputs_for, make_net
from torch import nn

from fusion_bench.functional.permutation import Member
from fusion_bench.models.permutation_file import read_spec, spec_from_mapping, spec_to_mapping
from fusion_bench.models.permutation_registry import spec_for
from fusion_bench.models.permutation_spec import Group, PermutationSpec
from fusion_bench.models.spec_validation import validate_spec


def with_group(spec, name, **changes):
    return replace(spec, groups={**spec.groups, name: replace(spec.groups[name], **changes)})


@pytest.mark.parametrize("residual", [True, False], ids=["residual", "without"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_random_permutation_keeps_the_function(family, residual):
    model = make_net(family)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    spec = spec_for(model, residual=residual)
    for seed in range(2):
        assert validate_spec(model, spec, inputs_for(family), seed=seed) <= 1e-10
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_part_of_a_group_does_not_keep_it(family):
    """A permutation of one member alone changes the function, so that the proof above is one."""
    model = make_net(family)
    spec = spec_for(model, residual=True)
    name, group = next(iter(spec.groups.items()))
    one = with_group(spec, name, members=group.members[:1], blocks=1, tie=None)
    forgotten = tuple({member.param for member in group.members})
    with pytest.raises(ValueError, match=rf"group {name!r}"):
        validate_spec(model, replace(one, untouched=(*spec.untouched, *forgotten)), inputs_for(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_activations_are_tapped_where_the_units_are(family):
    model = make_net(family)
    spec = spec_for(model, residual=True)
    modules = dict(model.named_modules())
    for view in (spec, spec.as_published()):
        for group in view.groups.values():
            assert group.taps
            assert all(tap.module in modules for tap in group.taps)
    assert not any(group.tie for group in spec.as_published().groups.values())


@pytest.mark.parametrize(
    ("family", "groups"),
    [("mlp", 2), ("vgg", 4), ("resnet_bn", 8), ("resnet_gn", 7), ("hf_resnet_basic", 7), ("hf_resnet_bottleneck", 11)],
)
def test_number_of_groups(family, groups):
    assert len(spec_for(make_net(family)).groups) == groups


def test_the_stream_of_a_clip_tower_is_left_alone_unless_asked_for():
    assert "res" not in spec_for(make_net("clip")).groups
    assert "res" in spec_for(make_net("clip"), residual=True).groups
    assert "res" in spec_for(make_net("vit")).groups
    assert spec_for(make_net("clip")).outputs == ()


class TestBrokenSpecs:
    """Errors that were made in published code, and what the validator says of them."""

    def test_groups_of_a_normalisation_are_ignored(self):
        model = make_net("resnet_gn")
        spec = with_group(spec_for(model), "layer1.0.conv1", blocks=1)
        with pytest.raises(ValueError, match=r"group 'layer1\.0\.conv1': .*it has blocks: 4"):
            validate_spec(model, spec, inputs_for("resnet_gn"))

    @pytest.mark.parametrize("family", ["timm", "clip"])
    def test_heads_are_not_tied(self, family):
        model = make_net(family)
        spec = spec_for(model)
        for name in ("qk.0", "vo.0"):
            spec = with_group(spec, name, tie=None)
        with pytest.raises(ValueError, match=r"group 'qk\.0': .*it must be tied to the group 'vo\.0'"):
            validate_spec(model, spec, inputs_for(family))

    def test_the_outputs_of_a_permuted_stream_are_taken_as_they_are(self):
        model = make_net("clip")
        spec = replace(spec_for(model, residual=True), outputs=())
        with pytest.raises(ValueError, match="group 'res': "):
            validate_spec(model, spec, inputs_for("clip"))

    def test_a_reader_is_missing(self):
        model = make_net("mlp")
        spec = spec_for(model)
        spec = with_group(spec, "fc1", members=spec.groups["fc1"].members[:-1])
        with pytest.raises(ValueError, match=r"group 'fc1': axis 1 of 'fc2\.weight' is missing"):
            validate_spec(model, spec, inputs_for("mlp"))

    def test_two_members_are_missing(self):
        model = make_net("resnet_bn")
        spec = spec_for(model)
        group = spec.groups["layer2.0.conv1"]
        left = tuple(member for member in group.members if not member.param.startswith("layer2.0.bn1.running"))
        spec = replace(with_group(spec, "layer2.0.conv1", members=left), untouched=("linear.bias", "*.bn1.running_*"))
        with pytest.raises(
            ValueError, match=r"bn1\.running_mean' and axis 0 of 'layer2\.0\.bn1\.running_var' are miss"
        ):
            validate_spec(model, spec, inputs_for("resnet_bn"))

    def test_a_tensor_too_many(self):
        model = make_net("mlp")
        spec = spec_for(model)
        spec = with_group(spec, "fc2", members=(*spec.groups["fc2"].members, Member("fc1.weight", 0, stop=6)))
        with pytest.raises(ValueError, match=r"axis 0 of 'fc1\.weight' does not belong to it"):
            validate_spec(model, spec, inputs_for("mlp"))


class TestChecks:
    """Specs that do not fit the tensors of a model."""

    def test_a_forgotten_tensor_is_named(self):
        model = make_net("mlp")
        spec = replace(spec_for(model), untouched=())
        with pytest.raises(ValueError, match=r"says nothing of the tensors \['fc3\.bias'\]"):
            spec.check(model.state_dict())

    def test_an_unknown_tensor(self):
        spec = PermutationSpec(groups={"a": Group(members=(Member("nope", 0),))})
        with pytest.raises(ValueError, match=r"group 'a' names tensors that the model lacks: \['nope'\]"):
            spec.check(make_net("mlp").state_dict())

    def test_members_of_different_sizes(self):
        spec = PermutationSpec(groups={"a": Group(members=(Member("fc1.weight", 0), Member("fc2.weight", 0)))})
        with pytest.raises(ValueError, match=r"differ in their number of units: .*'fc2\.weight axis 0': 6\.0"):
            spec.check(make_net("mlp").state_dict())

    def test_blocks_that_do_not_fit(self):
        spec = PermutationSpec(groups={"a": Group(members=(Member("fc1.weight", 0),), blocks=3)})
        with pytest.raises(ValueError, match="has 8 units, which do not fall into 3 equal blocks"):
            spec.check(make_net("mlp").state_dict())

    def test_an_axis_that_is_not_there(self):
        spec = PermutationSpec(groups={"a": Group(members=(Member("fc1.bias", 1),))})
        with pytest.raises(ValueError, match=r"uses axis 1 of 'fc1\.bias', whose shape is \(8,\)"):
            spec.check(make_net("mlp").state_dict())


class Own(nn.Module):
    """A network of a user's."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)

    def forward(self, inputs):
        return self.second(self.norm(self.first(inputs)).relu())


OWN = """
groups:
  hidden:
    out: [first.weight, first.bias, norm.weight, norm.bias]
    in: [second.weight]
    stat: [norm.running_mean, norm.running_var]
    taps: [{module: second}]
untouched: ["second.b*"]
"""


def test_a_model_without_a_spec_says_how_to_write_one(tmp_path):
    with pytest.raises(ValueError, match=r"no permutation spec is known for Own; .*Write one as YAML") as error:
        spec_for(Own())
    example = str(error.value).split("\n\n")[1]
    assert spec_from_mapping(yaml.safe_load(example)).groups["hidden"].taps[0].module == "second"
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    for own in (tmp_path / "own.yaml", str(tmp_path / "own.yaml"), yaml.safe_load(OWN)):
        assert validate_spec(Own(), spec_for(Own(), own), torch.randn(3, 4)) <= 1e-10


@pytest.mark.parametrize("family", FAMILIES)
def test_a_spec_goes_through_yaml(family, tmp_path):
    spec = spec_for(make_net(family), residual=True)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec_to_mapping(spec)), encoding="utf-8")
    read = read_spec(tmp_path / "spec.yaml")
    assert spec_to_mapping(read) == spec_to_mapping(spec)
    assert {name: set(group.members) for name, group in read.groups.items()} == {
        name: set(group.members) for name, group in spec.groups.items()
    }


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "needs at least one group"),
        ({"group": {}}, "unknown key 'group'; known are groups"),
        ({"groups": {"a": {"outs": []}}}, "group 'a' has the unknown key 'outs'"),
        ({"groups": {"a": {"out": [{"axis": 1}]}}}, "lacks 'param'"),
        ({"groups": {"a": {"out": [{"param": "w", "axes": 1}]}}}, "unknown key 'axes'"),
        ({"groups": {"a": {"taps": [{"modul": "w"}]}}}, "a tap of the group 'a' has the unknown key 'modul'"),
        ({"groups": {"a": {"taps": [{"module": "w", "side": "left"}]}}}, "must be 'in' or 'out', got 'left'"),
        ({"groups": {"a": ["w"]}}, "must be a mapping with the keys out and in"),
    ],
)
def test_wrong_yaml(entries, message):
    with pytest.raises(ValueError, match=message):
        spec_from_mapping(entries)
