"""Local copies: the order in which they are looked for."""

from pathlib import Path

import pytest

from fusion_bench.sources.local import copies, local_directory, located


@pytest.fixture
def root(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path / "copies"


def test_the_order_of_places(root):
    assert copies("someone/mnist", root) == [root / "someone" / "mnist", root / "mnist"]
    assert copies("mnist", root) == [root / "mnist"]
    assert copies("./mnist", root) == copies("/data/mnist", root) == copies("someone/mnist", None) == []
    assert local_directory("someone/mnist", root) is None
    (root / "mnist").mkdir(parents=True)
    assert local_directory("someone/mnist", root) == root / "mnist"
    assert located("someone/mnist", root) == str(root / "mnist")
    (root / "someone" / "mnist").mkdir(parents=True)
    assert located("someone/mnist", root) == str(root / "someone" / "mnist")
    Path("someone/mnist").mkdir(parents=True)
    assert local_directory("someone/mnist", root) == Path("someone/mnist")
    assert located("someone/mnist", root) == "someone/mnist"


def test_a_shipped_part_is_not_replaced_by_a_copy(root, toy_suite):
    (root / "mnist").mkdir(parents=True)
    assert local_directory("toys/mnist", root) == toy_suite / "data" / "mnist"
    assert located("toys/mnist", root) == "toys/mnist"


def test_what_is_no_id_is_left_alone(root):
    thing = object()
    assert located(thing, root) is thing
    assert located("/data/mnist", root) == "/data/mnist"
    assert located("someone/mnist", None) == "someone/mnist"
