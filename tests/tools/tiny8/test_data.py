"""The pure parts of the tools that make the data of tiny8."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("resvg_py", reason="needs the extra tiny8")
pytest.importorskip("mlxtend", reason="needs the extra tiny8")

from tools.tiny8.data import (
    assign,
    check,
    clipart,
    draw,
    emoji_table,
    families,
    fonts,
    glyphs,
    icons,
    licences,
    parquet,
    scans,
)
from tools.tiny8.data.examples import Captioned, Example, balanced, share_out
from tools.tiny8.data.fetch import deb_pattern
from tools.tiny8.data.shapes import shape
from tools.tiny8.data.similar import Groups, near_pairs
from tools.tiny8.data.sources import NPM_PACKAGES, font_packages, npm_stem
from tools.tiny8.data.tasks import TASKS


def noise(count: int, seed: int = 0) -> draw.Pixels:
    """Smooth random pictures."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, size=(count, 8, 8, 3)).astype(np.uint8)
    return np.repeat(np.repeat(small, 4, axis=1), 4, axis=2)


def example(value: int, label: int = 0, identity: str = "x") -> Example:
    return Example(np.full((32, 32, 3), value, dtype=np.uint8), label, identity)


def captioned(value: int, source: str, identity: str) -> Captioned:
    return Captioned(np.full((32, 32, 3), value, dtype=np.uint8), ("a",), source, identity)


def test_sides_depend_on_the_key_only_and_follow_the_shares() -> None:
    shares = {"a": 0.25, "b": 0.75}
    sides = [assign.side(shares, "salt", index) for index in range(4000)]
    assert sides == [assign.side(shares, "salt", index) for index in range(4000)]
    assert Counter(sides)["a"] == pytest.approx(1000, abs=100)


def test_keys_are_not_joined_by_mistake() -> None:
    assert assign.number("ab", "c") != assign.number("a", "bc")


def test_near_pairs_finds_changed_copies_and_nothing_else() -> None:
    pictures = noise(20)
    changed = np.clip(pictures.astype(int) + 6, 0, 255).astype(np.uint8)
    assert near_pairs(pictures, changed) == [(row, row) for row in range(20)]
    assert near_pairs(pictures, noise(20, seed=1)) == []


def test_groups_are_connected_components() -> None:
    groups = Groups("abcdef")
    groups.join("b", "a")
    groups.join("c", "b")
    groups.join_by([1, 1, 2], ["d", "e", "f"])
    assert [groups.find(member) for member in "abcdef"] == ["a", "a", "a", "d", "d", "f"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("woman cook", "man cook"),
        ("red heart", "blue heart"),
        ("one o’clock", "three o’clock"),
        ("family: man, boy", "family: woman, girl"),
        ("man running: facing right", "person running"),
        ("large blue diamond", "small orange diamond"),
    ],
)
def test_variants_of_an_emoji_share_their_base_name(one: str, other: str) -> None:
    assert emoji_table.base_name(one) == emoji_table.base_name(other)


def test_different_emoji_have_different_base_names() -> None:
    names = ["flag: france", "flag: italy", "dog", "cat", "red apple", "grinning face"]
    assert len({emoji_table.base_name(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Noto Sans Bold", "Noto Sans Mono"),
        ("Liberation Sans", "Arimo"),
        ("DejaVu Sans Condensed", "Bitstream Vera Serif"),
        ("Lato Black", "Carlito"),
        ("Foo Extra Light Italic", "Foo"),
    ],
)
def test_weights_and_copies_share_their_family(one: str, other: str) -> None:
    assert fonts.family_key(one) == fonts.family_key(other)


def test_scripts_keep_noto_families_apart() -> None:
    assert fonts.family_key("Noto Sans Thai") != fonts.family_key("Noto Sans Hebrew")


def test_every_script_gets_families_on_every_side() -> None:
    members = {"rare": ["a", "b", "c", "d"], "common": ["a", *[f"f{index}" for index in range(40)]]}
    sides = families.allot(members, {"train": 0.34, "pretraining": 0.34, "test": 0.21, "validation": 0.11})
    assert {sides[name] for name in members["rare"]} == {"train", "pretraining", "test", "validation"}
    counts = Counter(sides[name] for name in members["common"])
    assert counts["train"] == pytest.approx(14, abs=1)
    assert counts["validation"] == pytest.approx(4.5, abs=1)


def test_families_like_one_on_another_side_are_left_out() -> None:
    sides = {"a": "pretraining", "b": "test", "c": "train", "d": "test", "e": "train"}
    kept = families.without_likes(sides, [["a", "b"], ["c", "d"], ["e"]])
    assert kept == {"a": "pretraining", "b": "left out", "c": "left out", "d": "test", "e": "train"}


def test_clip_art_names_say_what_and_which_variants_belong_together() -> None:
    assert clipart.words("animals/birds/grey_goose_nicu_01.png") == "grey goose"
    assert clipart.stem("a/home0.png") == clipart.stem("a/home12.png")
    assert clipart.stem("a/arrow01_1.png") == clipart.stem("a/arrow01_4.png") != clipart.stem("a/arrow02_1.png")
    assert clipart.SUBJECTS[clipart.subject_of("tools/saw.png") or 0] == "tool or weapon"
    assert clipart.subject_of("toolsets/saw.png") is None


def test_clip_art_groups_are_on_one_side() -> None:
    pictures = dict(zip((f"animals/beast{index}_x.png" for index in range(9)), noise(9), strict=True))
    full = {name: np.dstack([pixels, np.full((32, 32), 255, np.uint8)]) for name, pixels in pictures.items()}
    assert len({one.split for one in clipart.arrange(full)}) == 1


def test_icon_names_lose_their_variants() -> None:
    assert icons.said("home-outline-rounded") == icons.said("home-filled-24") == "home"


def test_quotas_are_equal_where_they_can_be() -> None:
    assert share_out([100, 100, 100], 31) == [11, 10, 10]
    assert share_out([2, 100, 100], 30) == [2, 14, 14]
    assert share_out([1, 2], 30) == [1, 2]


def test_balanced_takes_identities_in_turns() -> None:
    found = balanced([example(index, index % 2, f"i{index % 8}") for index in range(80)], 8, 2, "key")
    assert Counter(one.label for one in found) == {0: 4, 1: 4}
    assert len({one.identity for one in found}) == 8


def test_balanced_caps_the_largest_class() -> None:
    found = balanced([example(0, int(index < 5)) for index in range(50)], 20, 2, largest=0.4)
    assert Counter(one.label for one in found) == {0: 8, 1: 5}


def test_deal_gives_disjoint_balanced_parts() -> None:
    labels = np.arange(100) % 5
    parts = scans.deal(np.arange(100), labels, {"train": 50, "test": 20}, "key")
    assert not set(parts["train"]) & set(parts["test"])
    assert Counter(labels[parts["test"]].tolist()) == dict.fromkeys(range(5), 4)


def test_doubles_are_found_once() -> None:
    pixels = np.stack([np.full((2, 2), value, np.uint8) for value in (3, 1, 3, 2)])
    assert scans.first_of_each(scans.Scans(pixels, np.zeros(4, dtype=np.int64))).tolist() == [0, 1, 3]


def test_png_loses_nothing() -> None:
    flat = draw.reduce_colours(noise(1)[0], 16)
    grey = np.repeat(noise(1)[0][..., :1], 3, axis=2)
    colourful = np.random.default_rng(0).integers(0, 256, size=(32, 32, 3)).astype(np.uint8)
    for pixels in (flat, grey, colourful):
        with Image.open(io.BytesIO(draw.to_png(pixels))) as image:
            assert (np.asarray(image.convert("RGB")) == pixels).all()


def test_fit_cuts_and_keeps_the_proportions() -> None:
    image = Image.new("RGBA", (100, 60))
    image.paste((255, 0, 0, 255), (10, 10, 50, 30))
    alpha = draw.fit(image)[..., 3] > 128
    assert alpha.sum() == pytest.approx(32 * 16, abs=64)
    assert alpha[:, 16].sum() == pytest.approx(16, abs=2)


@pytest.mark.parametrize("look", [glyphs.CLEAN, glyphs.MILD, glyphs.HARD, glyphs.VARIED, glyphs.PLAIN])
def test_rendered_characters_are_seen_and_repeatable(look: glyphs.Look) -> None:
    mask = np.zeros((40, 30), np.uint8)
    mask[5:35, 10:20] = 255
    one, again = (glyphs.render(mask, look, assign.generator("seed")) for _ in range(2))
    assert (one == again).all()
    assert one.shape == (32, 32, 3)
    assert np.ptp(one.mean(axis=-1)) > 20


def test_shape_is_padded_to_a_square() -> None:
    assert (shape(np.full((20, 4), 255, np.uint8)).max(axis=0) > 0).sum() <= 5


def test_parquet_is_the_same_each_time_and_reads_back(tmp_path: Path) -> None:
    found = [Example(pixels, row % 2, f"i{row}") for row, pixels in enumerate(noise(5))]
    for name in ("one", "two"):
        parquet.write(found, ["a", "b"], tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    back, encoded = parquet.read(tmp_path / "one")
    assert [one.identity for one in back] == [f"i{row}" for row in range(5)]
    assert all((one.pixels == other.pixels).all() for one, other in zip(back, found, strict=True))
    assert all(png.startswith(b"\x89PNG") for png in encoded)


def test_leaks_are_named() -> None:
    with pytest.raises(check.LeakError, match="1 pictures are in train and in test"):
        check.check_images({"train": [example(1)], "test": [example(1)]}, "emoji")
    with pytest.raises(check.LeakError, match=r"emoji and style: in train and in test are \['x'\]"):
        check.check_identities({"emoji": {"train": [example(1)]}, "style": {"test": [example(2)]}})
    with pytest.raises(check.LeakError, match="1 pictures of the pretraining pool"):
        check.check_pool([captioned(3, "emoji", "x")], {"emoji": {"test": [example(3)]}})
    with pytest.raises(check.LeakError, match=r"in the pretraining pool and in style are \['x'\]"):
        check.check_pool([captioned(4, "emoji", "x")], {"style": {"test": [example(3)]}})
    check.check_pool([captioned(4, "icons", "x")], {"style": {"test": [example(3)]}})


def test_shared_pictures_stay_in_the_test_split() -> None:
    kept = check.distinct({"train": [example(1), example(2)], "validation": [example(2)], "test": [example(1)]})
    assert [len(kept[split]) for split in assign.SPLITS] == [0, 1, 1]


def test_licences_are_read_from_fields_or_words() -> None:
    assert licences.licences("Files: *\nLicense: OFL-1.1\n text\n") == ["OFL-1.1"]
    assert licences.licences("under the SIL Open\nFont License") == ["OFL"]


def test_packages_are_pinned() -> None:
    assert len(font_packages()) > 300
    assert npm_stem("@iconify-json/mdi") == f"iconify-json-mdi-{NPM_PACKAGES['@iconify-json/mdi']}"
    assert deb_pattern("a", "1:2-3") == "a_1%3a2-3_*.deb"


def test_prompts_take_a_class() -> None:
    assert [len(task.classes) for task in TASKS] == [9, 4, 14, 26, 14, 10, 10, 10]
    assert all(template.count("{}") == 1 for task in TASKS for template in task.templates)
