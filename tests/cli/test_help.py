"""Long lists of options, folded."""

from fusion_bench.cli.help import _folded, _lines


def test_options_that_start_alike_are_one():
    options = ["a", "a_x", "a_y", "a_z", "b_x", "b_y", "c_x_1", "c_y", "c_z", "d", "e_x", "e_y", "e_z"]
    assert list(_folded(options)) == ["a", "b_x", "b_y", "d", "{a, e}_{x, y, z}", "c_{x_1, y, z}"]
    assert list(_folded(["dummy", "task_arithmetic", "ties_merging"])) == ["dummy", "task_arithmetic", "ties_merging"]


def test_lines_are_broken_between_options():
    text = _lines("  group: " + ", ".join(["clip-vit-base-patch32"] * 9))
    assert max(map(len, text.splitlines())) <= 110
    assert all(line.rstrip(",").split()[-1].startswith("clip-vit-base-patch32") for line in text.splitlines())
