"""What programs have in common."""

from pathlib import Path

from omegaconf import OmegaConf

from fusion_bench.programs.parts import build_part, fill, format_call


def test_format_call():
    config = OmegaConf.create({"_target_": "a.B", "x": 1, "y": {"z": [1, 2]}})
    assert format_call(config) == "a.B(x=1, y={'z': [1, 2]})"


def test_a_part_that_is_not_configured_is_none():
    assert build_part("taskpool", None) is None


def test_log_dir_is_filled_in():
    assert fill("{log_dir}/checkpoint", Path("runs/a")) == Path("runs/a/checkpoint")
    assert fill("mine", Path("runs/a")) == Path("mine")
