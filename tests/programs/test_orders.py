"""Orders as values: reading, drawing, checking."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_bench.method.opcm.opcm import OPCM
from fusion_bench.programs.orders import OrderSettings, check_method, check_orders, draw_orders, order_directory
from fusion_bench.runtime import Runtime

NAMES = ["a", "b", "c", "d"]


@given(st.integers(1, 5), st.integers(0, 2**32), st.data())
def test_drawn_orders_are_distinct_reproducible_permutations(size, seed, data):
    names = [f"model{index}" for index in range(size)]
    count = data.draw(st.integers(1, math.factorial(size)))
    drawn = draw_orders(names, count, seed)
    assert len(set(drawn)) == len(drawn) == count
    assert all(sorted(order) == sorted(names) for order in drawn)
    assert drawn == draw_orders(names, count, seed)
    fewer = data.draw(st.integers(1, count))
    assert drawn[:fewer] == draw_orders(names, fewer, seed)  # more orders go on where fewer ended


def test_the_first_order_is_that_of_a_single_run_with_the_seed():
    assert draw_orders(NAMES, 3, 42)[0] == OPCM(seed=42).resolve_order(NAMES, Runtime())


def test_all_orders_can_be_drawn_and_no_more():
    assert len(draw_orders(NAMES, 24, 0)) == 24
    with pytest.raises(ValueError, match="4 models have fewer than 25 orders"):
        draw_orders(NAMES, 25, 0)
    with pytest.raises(ValueError, match=r"orders\.count is 25, but 4 models have no more than 24 orders"):
        OrderSettings(count=25).check(NAMES)
    with pytest.raises(ValueError, match=r"orders\.count is 2, but 1 model have no more than 1 order"):
        OrderSettings(count=2).check(["a"])


def test_every_form_of_the_key(tmp_path):
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([["a", "b"], ["b", "a"]]))
    expected = (("a", "b"), ("b", "a"))
    assert OrderSettings.read([["a", "b"], ["b", "a"]]).orders(NAMES, None) == expected
    assert OrderSettings.read(str(path)).orders(NAMES, None) == expected
    assert OrderSettings.read({"explicit": str(path), "parallel": 2}).orders(NAMES, None) == expected
    assert OrderSettings.read({"count": 3, "seed": 5}).orders(NAMES, 7) == draw_orders(NAMES, 3, 5)
    assert OrderSettings.read({"count": 3}).orders(NAMES, 7) == draw_orders(NAMES, 3, 7)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"cuont": 3}, r"orders has no key 'cuont'; did you mean 'count'\? It has count, seed, explicit"),
        ({"count": 0}, r"orders\.count must be an integer of at least 1, got 0"),
        ({"count": True}, r"orders\.count must be an integer of at least 1, got True"),
        ({"count": 2, "seed": "x"}, r"orders\.seed must be an integer, got 'x'"),
        ({"count": 2, "parallel": None}, r"orders\.parallel must be an integer of at least 1, got None"),
        ({"count": 2, "backend": "dask"}, r"orders\.backend must be threads, ray or null, got 'dask'"),
        ({"count": 2, "explicit": [["a"]]}, "how many to draw.*got both"),
        ({"seed": 2}, "how many to draw.*got neither"),
        ({"explicit": [["a"]], "seed": 1}, r"orders\.seed draws orders, but the orders are given"),
        (["a", "b"], r"must be a list of orders.*got \['a', 'b'\]\. A single order is method\.order"),
        ([], "must be a list of orders"),
        (3, "must be a list of orders.*got 3"),
    ],
)
def test_wrong_settings_are_one_clear_line(value, message):
    with pytest.raises(ValueError, match=message) as caught:
        OrderSettings.read(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ([["a", "x"]], r"orders\[0\]: no 'x' in the pool; It has a, b, c, d"),
        ([["a", "a"]], r"orders\[0\]: 'a' is named twice"),
        ([["a", "b"], ["b", "a"], ["a", "b"]], r"orders\[2\] is orders\[0\] again: a, b"),
        ([["a", "b"], ["a", "c"]], r"orders\[1\] merges other models than orders\[0\]"),
    ],
)
def test_orders_that_do_not_fit(orders, message):
    with pytest.raises(ValueError, match=message):
        check_orders(orders, NAMES)


def test_a_file_without_orders(tmp_path):
    path = tmp_path / "orders.json"
    path.write_text('["a", "b"]')
    with pytest.raises(ValueError, match=r"orders of .*orders\.json must be a list of orders"):
        OrderSettings.read(str(path)).orders(NAMES, None)


@pytest.mark.parametrize("option", [{"order": ["a"]}, {"seed": 3}, {"shuffle_order": False}])
def test_an_order_of_the_method_contradicts(option):
    with pytest.raises(ValueError, match=rf"orders says in which orders.* and so does method\.{next(iter(option))}="):
        check_method(option)
    check_method({"order": None, "seed": None, "shuffle_order": True})


def test_directories_have_two_digits_or_more():
    assert [order_directory(index) for index in (0, 7, 123)] == ["order_00", "order_07", "order_123"]
