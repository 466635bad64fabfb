"""The nearest valid names."""

import pytest

from fusion_bench.cli.suggest import did_you_mean, nearest, nearest_key, nearest_option

KEYS = ["seed", "resume", "method", "method.alpha", "method.shuffle_order", "path", "path.log_dir", "fabric.devices"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("method.alhpa", "method.alpha"),
        ("method.resume", "resume"),
        ("metod.alpha", "method.alpha"),
        ("devices", "fabric.devices"),
        ("sead", "seed"),
        ("path.logdir", "path.log_dir"),
    ],
)
def test_nearest_key(typed, meant):
    assert nearest_key(typed, KEYS)[0] == meant


def test_nearest_key_finds_nothing_where_nothing_is_near():
    assert nearest_key("zzz.qqq", KEYS) == []


@pytest.mark.parametrize("typed", ["opcm/opmc", "opmc", "OPCM/opcm"])
def test_nearest_option_by_path_or_by_last_part(typed):
    assert nearest_option(typed, ["dummy", "opcm/opcm", "opcm/weight_average"])[0] == "opcm/opcm"


def test_nearest_ignores_case_and_returns_the_name_as_written():
    assert nearest("MNITS", ["mnist", "MNIST", "svhn"]) == ["mnist"]
    assert nearest("mnits", ["MNIST"]) == ["MNIST"]


def test_did_you_mean_lists_what_there_is_when_nothing_is_near():
    assert did_you_mean(["a", "b"]) == "; did you mean 'a' or 'b'?"
    assert did_you_mean([], ["x", "y"], what="options") == "; options: x, y"
    assert did_you_mean([], [str(i) for i in range(20)]).endswith(", 11, ... (20 in all)")
    assert did_you_mean([]) == ""
