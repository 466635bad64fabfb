"""The data, tokenizer and stages of the local suite; not its training."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fusion_bench.dataset.loading import load_image_classification
from tools.local_suite import build as building
from tools.local_suite import drawn, scans
from tools.local_suite.build import Stage, build, claim
from tools.local_suite.glyphs import Font, render
from tools.local_suite.images import IMAGE_SIZE, Images, read_parquet, write_parquet
from tools.local_suite.suite import SPLITS, Layout, prompts, tasks
from tools.local_suite.tokenizer import learn_merges, train_tokenizer


@pytest.fixture
def small(monkeypatch):
    """The drawn tasks, with few images."""
    monkeypatch.setattr(drawn, "SIZES", {"train": 52, "validation": 26, "test": 26})
    return drawn.drawn_tasks(0)


def check(splits, classes: int) -> None:
    """Labels in range, pixels of the right shape, and no picture in two splits."""
    assert list(splits) == list(SPLITS)
    for images in splits.values():
        assert images.pixels.shape == (len(images), IMAGE_SIZE, IMAGE_SIZE)
        assert images.pixels.dtype == np.uint8
        assert images.labels.min() >= 0
        assert images.labels.max() < classes
    pictures = [{image.tobytes() for image in images.pixels} for images in splits.values()]
    for one, other in itertools.combinations(pictures, 2):
        assert not one & other


def test_scanned_digits_have_disjoint_splits():
    pytest.importorskip("sklearn")
    splits = scans.split(scans.low_resolution_digits(), scans.DIGITS_SIZES, np.random.default_rng(0))
    check(splits, len(tasks()["digits"].classnames))
    assert {name: len(images) for name, images in splits.items()} == scans.DIGITS_SIZES


def test_a_picture_that_occurs_twice_is_used_once():
    pixels = np.zeros((6, IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    pixels[:3] = np.arange(1, 4, dtype=np.uint8)[:, None, None]
    pixels[3:] = pixels[:3]
    splits = scans.split(Images(pixels, np.arange(6) % 3), {"train": 2, "test": 1}, np.random.default_rng(0))
    values = [int(image[0, 0]) for images in splits.values() for image in images.pixels]
    assert sorted(values) == [1, 2, 3]


@pytest.mark.parametrize("task", ["letters", "style"])
def test_drawn_tasks_have_disjoint_splits(small, task):
    check(small[task], len(tasks()[task].classnames))


def test_drawing_is_deterministic_and_follows_the_seed(small):
    again, other = drawn.drawn_tasks(0), drawn.drawn_tasks(1)
    for task, splits in small.items():
        for split, images in splits.items():
            assert np.array_equal(images.pixels, again[task][split].pixels)
            assert not np.array_equal(images.pixels, other[task][split].pixels)


def test_letters_are_split_by_font_family():
    def family(font: Font) -> str:
        alphabet = f"@{font.capital_a}" if font.capital_a else ""
        return font.file.split("-")[0].removesuffix("Oblique") + alphabet

    families = [{family(font) for font in fonts} for fonts in drawn.LETTER_FONTS.values()]
    families.append({family(font) for font in drawn.CAPTIONED_LETTER_FONTS})
    for one, other in itertools.combinations(families, 2):
        assert not one & other


def test_style_is_split_by_letters_that_no_caption_shows():
    alphabets = [*drawn.cyrillic_letters(np.random.default_rng(0)).values(), drawn.GREEK]
    assert sorted("".join(alphabets[:3])) == sorted(drawn.CYRILLIC)
    for one, other in itertools.combinations(alphabets, 2):
        assert not set(one) & set(other)


def test_every_class_of_style_has_fonts_of_its_own():
    fonts = [drawn.style_fonts(name) for name in tasks()["style"].classnames]
    assert all(fonts)
    assert len(set(itertools.chain(*fonts))) == sum(map(len, fonts))


def test_a_mathematical_alphabet_draws_another_shape():
    def drawing(font: Font) -> bytes:
        return render("Q", font, np.random.default_rng(0)).tobytes()

    assert drawing(Font("STIXGeneral", 0x1D5A0)) != drawing(Font("STIXGeneral"))


def test_captions_are_the_prompts_of_the_class():
    assert prompts(tasks()["letters"], 1) == ("the letter B", "a printed letter B")


def test_parquet_is_read_by_the_library(tmp_path: Path, small):
    images, names = small["letters"]["test"], tasks()["letters"].classnames
    write_parquet(images, names, tmp_path / "test.parquet")
    again = read_parquet(tmp_path / "test.parquet")
    assert np.array_equal(again.pixels, images.pixels)
    assert np.array_equal(again.labels, images.labels)
    loaded = load_image_classification(tmp_path, split="test", cache_dir=tmp_path / "cache")
    picture, label = loaded[3]
    assert (picture.size, picture.mode) == ((IMAGE_SIZE, IMAGE_SIZE), "RGB")
    assert label == images.labels[3]


def test_merges_by_hand():
    assert learn_merges(Counter({"aab": 2, "ab": 1})) == [("a", "b</w>"), ("a", "ab</w>")]


def test_tokenizer_survives_saving_and_knows_every_word(tmp_path: Path):
    from transformers import CLIPTokenizer

    texts = [prompt for names in tasks().values() for prompt in prompts(names, 7)]
    tokenizer = train_tokenizer(texts)
    tokenizer.save_pretrained(tmp_path)
    loaded = CLIPTokenizer.from_pretrained(tmp_path)
    for text in texts:
        ids = tokenizer(text).input_ids
        assert len(ids) == len(text.split()) + 2
        assert loaded(text).input_ids == ids
        assert loaded.decode(ids, skip_special_tokens=True).strip() == text.lower()
    assert train_tokenizer(reversed(texts)).get_vocab() == tokenizer.get_vocab()


def test_build_skips_what_is_done_and_repeats_what_was_interrupted(tmp_path: Path, monkeypatch):
    runs: list[str] = []
    broken = [True]

    def first() -> None:
        runs.append("first")
        (tmp_path / "a").touch()

    def second() -> None:
        runs.append("second")
        if broken and broken.pop():
            raise KeyboardInterrupt
        (tmp_path / "b").touch()

    stages = [Stage("a", 1, [tmp_path / "a"], first), Stage("b", 1, [tmp_path / "b"], second)]
    monkeypatch.setattr(building, "all_stages", lambda layout, seed: stages)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, 0)
    build(tmp_path, 0)
    build(tmp_path, 0)
    assert runs == ["first", "second", "second"]


def test_a_suite_of_another_seed_is_not_mixed_in(tmp_path: Path):
    claim(Layout(tmp_path), {"version": 1, "seed": 0})
    with pytest.raises(ValueError, match=r"built with .*'seed': 0.*, not .*'seed': 1"):
        claim(Layout(tmp_path), {"version": 1, "seed": 1})


def test_claim_removes_what_an_interrupted_build_left(tmp_path: Path):
    leftover = tmp_path / "digits" / ".partial-train.parquet.1"
    leftover.parent.mkdir()
    leftover.touch()
    claim(Layout(tmp_path), {"version": 1, "seed": 0})
    assert not leftover.exists()
