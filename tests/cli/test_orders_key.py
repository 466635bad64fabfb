"""``orders`` on the command line: every form composes, every mistake is one line before anything heavy is imported."""

import pytest
from cli_toys import VALID
from omegaconf import OmegaConf

from fusion_bench.cli.run_errors import explain_run
from fusion_bench.programs.orders import OrderError


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], None),
        (["orders.count=10", "orders.seed=42"], {"count": 10, "seed": 42}),
        (["orders={count: 10, seed: 42}"], {"count": 10, "seed": 42}),
        (["orders=[[a,b],[b,a]]"], [["a", "b"], ["b", "a"]]),
        (["orders=[[a,b],[b,a]]", "orders.parallel=2"], {"explicit": [["a", "b"], ["b", "a"]], "parallel": 2}),
        (["orders.parallel=2", "orders=[[a,b]]"], {"explicit": [["a", "b"]], "parallel": 2}),
        (["orders={count: 10}", "orders.parallel=2"], {"count": 10, "parallel": 2}),
        (["orders=runs/orders.json"], "runs/orders.json"),
        (["orders=null"], None),
    ],
)
def test_every_form_composes(command, capsys, arguments, expected):
    command(*VALID, "--cfg", "job", *arguments)
    composed = OmegaConf.to_container(OmegaConf.create(capsys.readouterr().out))
    assert composed["orders"] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["orders.count=3"], "orders.count is 3, but 2 models have no more than 2 orders"),
        (["orders.cuont=3"], "orders has no key 'cuont'; did you mean 'count'?"),
        (["orders=[[cars,sun]]"], "orders[0]: no 'sun' in the pool; did you mean 'sun397'?"),
        (["orders=[[cars,sun397],[cars,sun397]]"], "orders[1] is orders[0] again"),
        (["orders=[cars,sun397]"], "A single order is method.order"),
        (["orders.count=2", "method.order=[cars,sun397]"], "so does method.order="),
        (["orders.count=2", "method.shuffle_order=false"], "so does method.shuffle_order=False"),
        (["orders.count=2", "method=simple_average"], "orders needs a method that merges one model at a time"),
    ],
)
def test_mistakes_are_one_line(error_of, arguments, message):
    found = error_of(*VALID, *arguments)
    assert message in found
    assert "\n" not in found


def test_a_failed_order_is_explained_by_what_a_user_can_act_on():
    error = OrderError("order 2 of 3 (b, a) failed", "1 of 3 orders are finished and kept in out; go on with: again")
    error.__cause__ = OSError(28, "the disk is full while writing x")
    assert explain_run(error) == (
        "order 2 of 3 (b, a) failed: [Errno 28] the disk is full while writing x. 1 of 3 orders are finished and kept "
        "in out; go on with: again"
    )
    error.__cause__ = AssertionError("a bug")
    assert explain_run(error) is None
