"""The pieces of pretraining: the draw, the loss, the augmentation, and a run that is interrupted."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tools.tiny8 import pretrain as module
from tools.tiny8.augment import augment
from tools.tiny8.contrast import contrastive_loss
from tools.tiny8.pool import SHARES, Pool, read_pool
from tools.tiny8.pretrain import Recipe, learning_rate, pretrain
from tools.tiny8.tokenizer import join, learn_merges, train_tokenizer

CAPTIONS = ("a red square", "a blue square", "a green square")


def make_pool(count=30):
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=count)
    images = np.zeros((count, 32, 32, 3), dtype=np.uint8)
    images[np.arange(count), 8:24, 8:24, kinds] = 200
    pairs = tuple(np.array([kind]) for kind in kinds)
    return Pool(images, CAPTIONS, pairs, np.full(count, 1 / count))


def test_sources_are_drawn_by_their_shares(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((8, 32, 32, 3), dtype=np.uint8))
    (tmp_path / "captions.json").write_text(json.dumps(["one", "two"]))
    (tmp_path / "pairs.json").write_text(json.dumps([[0, 1]] * 8))
    (tmp_path / "sources.json").write_text(json.dumps(["emoji"] * 2 + ["fashion"] * 6))
    pool = read_pool(tmp_path)
    assert pool.weights.sum() == pytest.approx(1)
    assert pool.weights[:2].sum() / pool.weights[2:].sum() == pytest.approx(SHARES["emoji"] / SHARES["fashion"])
    chosen, captions = pool.draw(2000, np.random.default_rng(0))
    assert (chosen < 2).mean() == pytest.approx(SHARES["emoji"] / (SHARES["emoji"] + SHARES["fashion"]), abs=0.05)
    assert set(captions.tolist()) == {0, 1}


def test_an_unknown_source_is_an_error(tmp_path):
    (tmp_path / "sources.json").write_text(json.dumps(["paintings"]))
    with pytest.raises(KeyError, match="paintings"):
        read_pool(tmp_path)


def test_the_loss_is_zero_for_certain_answers_and_shares_captions():
    caption_of_image = torch.tensor([0, 0, 1])
    right = torch.tensor([[100.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    # Two images share the first caption: its distribution over images is one half each, which costs log 2.
    assert float(contrastive_loss(right, caption_of_image)) == pytest.approx(np.log(2) / 4, abs=1e-5)
    assert float(contrastive_loss(torch.zeros(3, 2), caption_of_image)) == pytest.approx((np.log(2) + np.log(3)) / 2)


def test_augmentation_is_seeded_and_stays_in_range():
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    first, again = (augment(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, augment(images, torch.Generator().manual_seed(2)))
    assert float(first.abs().max()) <= 1


def test_the_learning_rate_rises_and_falls():
    recipe = Recipe(steps=100, warm_up=10, learning_rate=1.0)
    rates = [learning_rate(recipe, step) for step in range(100)]
    assert rates[0] < rates[4] < rates[9]
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert rates[-1] < 0.01


def naive_merges(word_counts, limit):
    words = {word: [*word[:-1], word[-1] + "</w>"] for word in sorted(word_counts)}
    merges = []
    while len(merges) < limit:
        pairs = Counter()
        for word, symbols in words.items():
            for pair in itertools.pairwise(symbols):
                pairs[pair] += word_counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        words = {word: join(symbols, best) for word, symbols in words.items()}
    return merges


@given(st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 5), max_size=12), st.integers(0, 30))
def test_merges_are_those_of_counting_anew_each_time(words, limit):
    assert learn_merges(Counter(words), limit) == naive_merges(Counter(words), limit)


def test_the_tokenizer_joins_frequent_words():
    tokenizer = train_tokenizer(["a grinning face", "a sad face", "Grinning!"])
    assert len(tokenizer("grinning face").input_ids) == 4  # with start and end
    assert tokenizer.get_vocab() == train_tokenizer(["Grinning!", "a sad face", "a grinning face"]).get_vocab()


def test_the_tokenizer_knows_its_texts_and_survives_saving(tmp_path):
    from transformers import CLIPTokenizer

    tokenizer = train_tokenizer([*CAPTIONS, *CAPTIONS])
    again = train_tokenizer([*CAPTIONS, *CAPTIONS])
    assert tokenizer.get_vocab() == again.get_vocab()
    tokenizer.save_pretrained(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    for text in (*CAPTIONS, "Zebra & co."):
        assert loaded(text).input_ids == tokenizer(text).input_ids
        assert tokenizer.unk_token_id not in tokenizer(text).input_ids[1:-1]


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path, monkeypatch):
    for name, value in {"VISION": 24, "TEXT": 24}.items():
        small = {"hidden_size": value, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        monkeypatch.setattr(f"tools.tiny8.architecture.{name}", small)
    monkeypatch.setattr(module, "zero_shot_accuracy", lambda *_: {"mean": 0.5})
    recipe = Recipe(steps=6, batch_size=8, warm_up=2)
    pretrain(make_pool(), {}, tmp_path / "whole", recipe, measure_every=2)
    steps = module.train_step

    def killed(state, *arguments):
        if state.step == 5:
            raise KeyboardInterrupt
        return steps(state, *arguments)

    monkeypatch.setattr(module, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(make_pool(), {}, tmp_path / "parts", recipe, measure_every=2)
    monkeypatch.setattr(module, "train_step", steps)
    pretrain(make_pool(), {}, tmp_path / "parts", recipe, measure_every=2)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(first[key], second[key]) for key in first)
    with pytest.raises(ValueError, match="was made with"):
        pretrain(make_pool(), {}, tmp_path / "parts", Recipe(steps=7), measure_every=2)
