"""The orders of a run over several: read from the configuration, drawn with a seed, checked; nothing heavy is imported.

An order is a tuple of the names of all models of a pool, or of some of them.
"""

from __future__ import annotations

import difflib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusion_bench.utils.files import read_json

Order = tuple[str, ...]

ORDERS_FILE = "orders.json"
THREADS, RAY = "threads", "ray"
_KEYS = ("count", "seed", "explicit", "parallel", "backend")
_ALONE = {"order": None, "seed": None, "shuffle_order": True}  # what a method must leave to the orders


class OrderError(Exception):
    """One order of a run failed; the cause says why."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.what, self.advice = what, advice

    def __str__(self) -> str:
        return self.explained(str(self.__cause__))

    def explained(self, reason: str) -> str:
        """The whole message, with the reason in the words of ``reason``."""
        return f"{self.what}: {reason.rstrip('.')}. {self.advice}"


@dataclass(frozen=True, kw_only=True)
class OrderSettings:
    """What the key ``orders`` says.

    Args:
        count: how many different orders to draw.
        seed: of the drawing; None takes the seed of the run, or a fresh one.
        explicit: the orders themselves, or the path of an ``orders.json``.
        parallel: how many orders are merged at a time.
        backend: ``threads`` or ``ray``; None is what the executor of the run is.

    Raises:
        ValueError: if a value is not of its kind or range, or two contradict each other.
    """

    count: int | None = None
    seed: int | None = None
    explicit: tuple[Order, ...] | str | None = None
    parallel: int = 1
    backend: str | None = None

    def __post_init__(self) -> None:
        for key, value, least in (("count", self.count, 1), ("parallel", self.parallel, 1), ("seed", self.seed, None)):
            is_number = isinstance(value, int) and not isinstance(value, bool)
            if value is None and key != "parallel":
                continue
            if not is_number or (least is not None and value is not None and value < least):
                what = "an integer" if least is None else f"an integer of at least {least}"
                raise ValueError(f"orders.{key} must be {what}, got {value!r}")
        if (self.count is None) == (self.explicit is None):
            raise ValueError(
                "orders must say either how many to draw, orders.count=10 orders.seed=42, or which, "
                f"'orders=[[a,b],[b,a]]'; got {'both' if self.explicit is not None else 'neither'}"
            )
        if self.explicit is not None and self.seed is not None:
            raise ValueError("orders.seed draws orders, but the orders are given; leave it out")
        if self.backend not in (None, THREADS, RAY):
            raise ValueError(f"orders.backend must be {THREADS}, {RAY} or null, got {self.backend!r}")

    @classmethod
    def read(cls, value: Any) -> OrderSettings:
        """The settings from the key's value: a mapping, a list of lists of names, or the path of an ``orders.json``.

        Raises:
            ValueError: as the class, or if there is a key that it does not have.
        """
        if not isinstance(value, Mapping):
            return cls(explicit=_explicit(value))
        for key in value:
            if key not in _KEYS:
                near = difflib.get_close_matches(str(key), _KEYS, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ValueError(f"orders has no key {key!r}; {hint}It has {', '.join(_KEYS)}")
        explicit = value.get("explicit")
        return cls(**{**value, "explicit": _explicit(explicit) if explicit is not None else None})

    def check(self, model_names: Sequence[str]) -> None:
        """Find orders that cannot be made of these models; files are not read.

        Raises:
            ValueError: if there are fewer orders than ``count``, or those given do not fit.
        """
        if self.count is not None and self.count > (most := math.factorial(len(model_names))):
            models = _counted(len(model_names), "model")
            raise ValueError(f"orders.count is {self.count}, but {models} have no more than {_counted(most, 'order')}")
        if isinstance(self.explicit, tuple):
            check_orders(self.explicit, model_names)

    def orders(self, model_names: Sequence[str], seed: int | None) -> tuple[Order, ...]:
        """The orders; ``seed`` is taken where the settings have none.

        Raises:
            ValueError: as :meth:`check`, or if a file holds no orders.
            OSError: if a file cannot be read.
        """
        self.check(model_names)
        if self.count is not None:
            return draw_orders(model_names, self.count, self.seed if self.seed is not None else seed)
        if isinstance(self.explicit, str):
            return check_orders(_explicit(read_json(self.explicit), f" of {self.explicit}"), model_names)
        return self.explicit or ()


def draw_orders(model_names: Sequence[str], count: int, seed: int | None) -> tuple[Order, ...]:
    """Different random orders of all models, the first of which is that of a single run with this seed.

    The first n of them do not depend on ``count``. None draws with a seed that nobody can know beforehand.

    Raises:
        ValueError: if there are not so many.
    """
    if count > math.factorial(len(model_names)):
        raise ValueError(f"{_counted(len(model_names), 'model')} have fewer than {count} orders")
    generator = random.Random(seed)
    drawn: dict[Order, None] = {}
    while len(drawn) < count:
        names = list(model_names)
        generator.shuffle(names)
        drawn.setdefault(tuple(names))
    return tuple(drawn)


def check_orders(orders: Sequence[Sequence[str]], model_names: Sequence[str]) -> tuple[Order, ...]:
    """``orders`` as tuples.

    Raises:
        ValueError: naming the order with an unknown name, a name that stands twice, other models than the first one, or
            that stands twice itself.
    """
    checked: dict[Order, int] = {}
    for place, order in enumerate(map(tuple, orders)):
        for name in order:
            if name not in model_names:
                near = difflib.get_close_matches(name, model_names, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ValueError(f"orders[{place}]: no {name!r} in the pool; {hint}It has {', '.join(model_names)}")
            if order.count(name) > 1:
                raise ValueError(f"orders[{place}]: {name!r} is named twice")
        if order in checked:
            raise ValueError(f"orders[{place}] is orders[{checked[order]}] again: {', '.join(order)}")
        if sorted(order) != sorted(orders[0]):
            raise ValueError(
                f"orders[{place}] merges other models than orders[0], so that their results cannot be averaged: "
                f"{', '.join(order)} and {', '.join(orders[0])}"
            )
        checked[order] = place
    return tuple(checked)


def check_method(method: Mapping[str, Any]) -> None:
    """Find options of a method that contradict ``orders``.

    Raises:
        ValueError: naming the option.
    """
    for option, default in _ALONE.items():
        if method.get(option, default) != default:
            raise ValueError(
                f"orders says in which orders to merge, and so does method.{option}={method[option]}; leave one of "
                "them out"
            )


def order_directory(index: int) -> str:
    """The directory of an order inside that of the run: ``order_00``."""
    return f"order_{index:02d}"


def _explicit(value: Any, source: str = "") -> Any:
    """Orders as tuples of names, or a path as it is."""
    if isinstance(value, str | Path) and not source:
        return str(value)
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list or not value or not all(isinstance(order, list | tuple) and order for order in value):
        raise ValueError(
            f"orders{source} must be a list of orders, each of them a list of model names: 'orders=[[a,b],[b,a]]'; "
            f"got {value!r}. A single order is method.order=[a,b]"
        )
    return tuple(tuple(map(str, order)) for order in value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
