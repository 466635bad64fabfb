"""Heads on disk: found again by all that they depend on, and never believed when damaged."""

import pytest
import torch
from clip_files import make_clip, make_tokenizer

from fusion_bench.dataset.registry import ClassNames
from fusion_bench.taskpool import heads as heads_module
from fusion_bench.taskpool.head_store import HeadStore, text_fingerprint
from fusion_bench.taskpool.heads import TextSide, ZeroShotHeads

NAMES = ClassNames(("cat", "bird"), ("a {}", "the {}."))


@pytest.fixture
def computed(monkeypatch):
    """The class names of heads that were computed, not read."""
    seen, compute = [], heads_module.zero_shot_head

    def counting(side, tokenizer, names, templates):
        seen.append(tuple(names))
        return compute(side, tokenizer, names, templates)

    monkeypatch.setattr(heads_module, "zero_shot_head", counting)
    return seen


@pytest.fixture
def store(tmp_path):
    return HeadStore(tmp_path / "heads")


def heads(store, seed=0, tokenizer=None):
    return ZeroShotHeads(TextSide.of(make_clip(seed), "a model"), tokenizer or make_tokenizer(), store)


def test_a_later_run_computes_nothing(store, computed):
    first = heads(store)(NAMES)
    assert torch.equal(heads(store)(NAMES), first)
    assert torch.equal(heads(None)(NAMES), first)
    assert len(computed) == 2


def test_whatever_a_head_depends_on_makes_another(store, computed):
    used = make_tokenizer()
    used(["padded", "text"], padding=True)
    heads(store)(NAMES)
    heads(store, tokenizer=used)(NAMES)  # only its use is another
    assert len(computed) == 1
    heads(store, seed=1)(NAMES)
    heads(store)(ClassNames(("bird", "cat"), NAMES.templates))
    heads(store)(ClassNames(NAMES.classnames, ("a {}",)))
    other = make_tokenizer()
    other.padding_side = "left"
    heads(store, tokenizer=other)(NAMES)
    assert len(computed) == 5
    side = TextSide.of(make_clip(), "a model")
    before = text_fingerprint(side, make_tokenizer())
    side.text_model.config.hidden_act = "gelu"
    assert text_fingerprint(side, make_tokenizer()) != before


def test_a_text_tower_that_changes_makes_another_head(store, computed):
    mine = heads(store)
    first = mine(NAMES)
    with torch.no_grad():
        mine.side.text_projection.weight.mul_(torch.rand(mine.side.text_projection.weight.shape))
    assert not torch.equal(mine(NAMES), first)
    assert len(computed) == 2
    assert torch.equal(heads(store)(NAMES), first)


def test_an_unknown_tokenizer_keeps_heads_in_memory_only(store, computed):
    class Unknown:
        def __call__(self, *args, **kwargs):
            return make_tokenizer()(*args, **kwargs)

    for _ in range(2):
        heads(store, tokenizer=Unknown())(NAMES)
    assert len(computed) == 2
    assert not store.directory.exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_file_is_computed_again(store, computed, caplog, damage):
    first = heads(store)(NAMES)
    (file,) = store.directory.iterdir()
    content = bytearray(file.read_bytes())
    content[-3] ^= 64
    file.write_bytes({"cut": content[:-8], "changed": content, "empty": b""}[damage])
    assert torch.equal(heads(store)(NAMES), first)
    assert "will be computed again" in caplog.text
    assert torch.equal(heads(store)(NAMES), first)
    assert len(computed) == 2


def test_a_disk_that_cannot_be_written_to_is_no_error(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    first = heads(HeadStore(tmp_path / "file" / "heads"))(NAMES)
    assert torch.equal(first, heads(None)(NAMES))
    assert "is not kept in" in caplog.text
