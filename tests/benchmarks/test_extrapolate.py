"""The floor of a step and the extrapolation are the arithmetic they say they are."""

import json

import pytest

from benchmarks.extrapolate import main, others_7b, sizes_7b, spread_work, step_of, weights_7b
from benchmarks.floor import eigh_seconds, floor_of_step, product_flops

RATES = {
    "cores": 2,
    "product_float32": 2e9,
    "product_float64": 1e9,
    "eigh": {"10": 1.0, "100": 500.0},
    "memory": 4e9,
    "disk_read": 1e9,
    "disk_write": 5e8,
    "ray_call": 0.001,
}


def test_flops_by_hand():
    assert product_flops((10, 10)) == (6000.0, 1000.0)  # half a Gram matrix of 2 · 10³ in float64, three products
    assert product_flops((10, 40)) == product_flops((40, 10)) == (28000.0, 0.0)


def test_eigensystems_are_scaled_from_the_nearest_size():
    assert eigh_seconds(10, RATES) == 1.0
    assert eigh_seconds(20, RATES) == 8.0
    assert eigh_seconds(200, RATES) == 4000.0


def test_floor_by_hand():
    floor = floor_of_step([(10, 10), (40, 10)], 1e9, RATES, workers=2, cold=True)
    assert floor.reading == 1.0
    assert floor.memory == 1.0
    assert floor.products == pytest.approx((34000 / 2e9 + 1000 / 1e9) / 2)
    assert floor.eigensystems == 1.0
    assert floor.eigensystems_at_peak == pytest.approx(2 * 14 / 3 * 1000 / 1e9 / 2)
    assert floor.algorithm == pytest.approx(3.0 + floor.products)
    assert floor.physical < floor.algorithm
    assert floor_of_step([], 1e9, RATES, workers=2, cold=False).algorithm == 1.0


def test_the_model_has_seven_billion_parameters():
    assert sizes_7b() == (2 * 6738415616, 4 * 6738415616, 291)  # as LLaMA 7B
    assert len(weights_7b()) + len(others_7b()) == 291


def test_a_step_moves_its_bytes_at_the_measured_rates():
    checkpoint, state, tensors = sizes_7b()
    step = step_of([3.0, 7.0], RATES, 2)
    assert step.computing == 7.0
    assert step.moving == pytest.approx(
        checkpoint / 2e9 + (2 * checkpoint + 2 * state) / 8e9 + (checkpoint + state) / 1e9 + 0.002 * tensors
    )


def test_work_is_neither_lost_nor_added():
    assert sum(spread_work(RATES, 1.0, 5)) == pytest.approx(sum(spread_work(RATES, 1.0, 1)))
    assert sum(spread_work(RATES, 0.5, 1)) == pytest.approx(2 * sum(spread_work(RATES, 1.0, 1)))


def test_prints_the_derivation(tmp_path, capsys):
    (tmp_path / "rates.json").write_text(json.dumps(RATES))
    main([str(tmp_path / "rates.json"), "--share", "0.8", "--nodes", "4", "--tasks", "10", "--note", "From a test."])
    printed = capsys.readouterr().out
    assert printed.startswith("From a test.\n\n| Measured")
    assert "4 nodes of 2 cores like those measured: 8 actors" in printed
    assert "- **10 tasks.** 9 steps" in printed
