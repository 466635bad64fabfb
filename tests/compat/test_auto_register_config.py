"""Arguments recorded by ``_config_mapping`` and ``auto_register_config`` rebuild the object exactly."""

import copy

import pytest
from torch import nn

from fusion_bench import BaseAlgorithm, BaseModelFusionAlgorithm, BaseModelPool, auto_register_config


class Mapped(BaseModelFusionAlgorithm):
    _config_mapping = BaseModelFusionAlgorithm._config_mapping | {
        "first_attribute": "first",
        "second_attribute": "second",
    }

    def __init__(self, first, second=2, **kwargs):
        self.first_attribute = first
        self.second_attribute = second
        super().__init__(**kwargs)

    def run(self, modelpool):
        return modelpool.load_pretrained_or_first_model()


@auto_register_config
class Recorded(BaseAlgorithm):
    def __init__(self, alpha, beta=0.5, *, names=(), **kwargs):
        assert self.alpha is alpha  # set before the body runs
        self.names = [name.upper() for name in names]
        super().__init__(**kwargs)

    def run(self, modelpool):
        return modelpool.load_pretrained_or_first_model()


class Child(Recorded):
    pass


@auto_register_config
class Grandchild(Child):
    def __init__(self, gamma, **kwargs):
        super().__init__(alpha=2 * gamma, **kwargs)


class Rescaled(Recorded):
    def __init__(self, alpha):
        super().__init__(alpha=2 * alpha)


class Extended(Recorded):
    _config_mapping = {"delta": "delta"}  # noqa: RUF012  # written as users write it

    def __init__(self, delta, **kwargs):
        super().__init__(**kwargs)
        self.delta = delta


@auto_register_config
class Pool(BaseModelPool):
    def __init__(self, models, temperature=1.0, **kwargs):
        super().__init__(models, **kwargs)


@auto_register_config
class Module(BaseAlgorithm, nn.Module):
    def __init__(self, width, layer=None):
        nn.Module.__init__(self)
        self.layer = layer

    def run(self, modelpool):
        return self


MODEL = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}
OBJECTS = [
    Mapped(1),
    Mapped("x", second=[1, {"a": None}]),
    Recorded(1),
    Recorded(1, 2.5, names=["a", "b"]),
    Recorded(beta=float("inf"), alpha={"nested": [True]}),
    Child(3),
    Grandchild(4, beta=1, names=["n"]),
    Extended(5, alpha=6),
    Pool({"a": MODEL}, 2.0),
    Pool([MODEL, MODEL], train_datasets={"0": MODEL}),
    Module(7),
]


@pytest.mark.parametrize("original", OBJECTS, ids=lambda o: type(o).__name__)
def test_round_trip_is_exact(original, tmp_path):
    original.to_yaml(tmp_path / "config.yaml")
    rebuilt = type(original).from_yaml(tmp_path / "config.yaml")
    assert type(rebuilt) is type(original)
    assert rebuilt.config == original.config


def test_positional_default_and_keyword_arguments_are_recorded():
    assert Recorded(1).config_dict() == {"_target_": f"{__name__}.Recorded", "alpha": 1, "beta": 0.5, "names": []}
    assert Recorded(1, 2, names=["a"]).config.names == ["a"]
    assert Recorded(1, names=["a"]).names == ["A"]


def test_an_argument_changed_later_is_the_one_in_the_config():
    method = Recorded(1, names=["a"])
    method.alpha = 9
    assert method.config.alpha == 9
    assert copy.deepcopy(method).config == method.config
    method.names = ["Z"]
    assert method.config.names == ["Z"]


def test_a_decorated_subclass_is_described_by_its_own_arguments():
    method = Grandchild(4)
    assert method.alpha == 8
    assert method.config_dict() == {"_target_": f"{__name__}.Grandchild", "gamma": 4}


def test_a_method_of_the_class_is_not_shadowed_by_an_argument():
    pool = Pool({"a": MODEL})
    assert [type(model) for model in pool.models()] == [nn.Linear]
    pool.add_model("b", MODEL)
    assert list(pool.config.models) == ["a", "b"]


def test_a_lost_argument_is_named():
    with pytest.raises(TypeError, match=r"Rescaled has no configuration: its argument 'alpha' is not recorded"):
        Rescaled(1).config  # noqa: B018  # the access is what is tested


def test_a_live_object_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"Recorded\.alpha is a live Linear"):
        Recorded(nn.Linear(1, 1)).to_yaml(tmp_path / "config.yaml")
    assert not list(tmp_path.iterdir())


def test_arguments_that_a_config_cannot_give_are_refused():
    with pytest.raises(TypeError, match=r"cannot record \*rest of Bad.__init__"):

        @auto_register_config
        class Bad(BaseAlgorithm):
            def __init__(self, *rest):
                pass


def test_wrong_arguments_are_the_usual_type_error():
    with pytest.raises(TypeError, match="missing a required argument: 'alpha'"):
        Recorded()
    with pytest.raises(TypeError, match="unexpected keyword argument 'gamma'"):
        Recorded(1, gamma=2)
    with pytest.raises(TypeError, match="unexpected keyword argument 'third'"):
        Mapped(1, third=3)


def test_user_methods_are_compared_by_identity_and_can_be_keys():
    assert Mapped(1) != Mapped(2)
    assert len({Mapped(1), Mapped(1)}) == 2


def test_a_method_without_run_cannot_be_built():
    class Unfinished(BaseModelFusionAlgorithm):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


def test_from_yaml_refuses_another_class(tmp_path):
    Recorded(1).to_yaml(tmp_path / "config.yaml")
    with pytest.raises(TypeError, match="describes a Recorded, not a Mapped"):
        Mapped.from_yaml(tmp_path / "config.yaml")
