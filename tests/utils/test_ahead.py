"""Items made in a thread, in order."""

import threading
import time

import pytest

from fusion_bench.utils.ahead import ahead


def test_the_same_items_in_order():
    assert list(ahead(iter(range(20)))) == list(range(20))
    assert list(ahead(iter([]))) == []


def test_items_are_made_before_they_are_asked_for():
    made = threading.Event()

    def items():
        yield 0
        made.set()
        yield 1

    iterator = ahead(items())
    assert next(iterator) == 0
    assert made.wait(10)
    assert list(iterator) == [1]


def test_no_more_than_asked_for():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    iterator = ahead(items(), depth=3)
    next(iterator)
    time.sleep(0.05)
    assert len(made) <= 5
    iterator.close()


def test_errors_come_where_they_happen():
    def items():
        yield 1
        raise ValueError("broken")

    iterator = ahead(items())
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="broken"):
        next(iterator)
