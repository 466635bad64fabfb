"""The decoded sources that tasks and pretraining share, and the examples of the pretraining pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.tiny8.data import clipart, emoji, pool, rendered_pool, scans
from tools.tiny8.data.assign import PRETRAINING, TEST, TRAIN, VALIDATION
from tools.tiny8.data.draw import Pixels, flatten
from tools.tiny8.data.examples import Captioned
from tools.tiny8.data.families import typefaces
from tools.tiny8.data.sources import Layout
from tools.tiny8.data.stage import pictures

SIZES = {TRAIN: 1800, VALIDATION: 300, TEST: 800}


@dataclass(frozen=True)
class Sources:
    """What is shared by tasks and pretraining."""

    layout: Layout
    emoji: list[emoji.Emoji]
    clipart: list[clipart.ClipArt]
    fashion: scans.Scans
    fashion_rows: dict[str, list[int]]


def read(layout: Layout) -> Sources:
    """Decode the emoji, the clip art and Fashion-MNIST."""
    google, openmoji = layout.npm("emoji-datasource-google"), layout.npm("openmoji")
    twitter, fluent = layout.npm("emoji-datasource-twitter"), layout.icons("fluent-emoji-flat")
    drawn = pictures(layout.decoded / "emoji.npy", lambda: emoji.decode(google, twitter, openmoji, fluent))
    art = pictures(layout.decoded / "clipart.npy", lambda: clipart.decode(layout.clipart))
    garments = scans.fashion(layout.fashion, "train")
    sizes = {TRAIN: SIZES[TRAIN], VALIDATION: SIZES[VALIDATION], PRETRAINING: 300}
    rows = scans.deal(scans.first_of_each(garments), garments.labels, sizes, "fashion")
    return Sources(
        layout,
        emoji.arrange(google, openmoji, drawn),
        clipart.arrange(art),
        garments,
        {part: chosen.tolist() for part, chosen in rows.items()},
    )


def pretraining(sources: Sources) -> list[Captioned]:
    """Every example of the pool, none that looks like a picture of the emoji and clip art tasks."""
    others = _others(sources)
    layout = sources.layout
    found = [*pool.of_emoji(sources.emoji), *pool.of_clipart(sources.clipart)]
    found = pool.without_likes(found, others, ("clip art", "emoji", "emoji tones", "style"))
    found += pool.of_icons(layout, others)
    found += pool.of_fashion(sources.fashion, sources.fashion_rows[PRETRAINING])
    found += rendered_pool.pretraining(typefaces(layout.root, layout.decoded), layout.root)
    return found


def _others(sources: Sources) -> Pixels:
    """The pictures of the emoji and clip art tasks, all sets and splits, on white."""
    emoji_pictures = [one.pixels for one in sources.emoji if one.split != PRETRAINING and not one.tone]
    art = [one.pixels for one in sources.clipart if one.split != PRETRAINING and one.subject is not None]
    return flatten(np.stack(emoji_pictures + art))
