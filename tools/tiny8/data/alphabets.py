"""The characters of each script, and what letters and digits are called."""

from __future__ import annotations

import string
import unicodedata


def _span(*ranges: tuple[int, int]) -> str:
    characters = (chr(code) for first, last in ranges for code in range(first, last + 1))
    return "".join(character for character in characters if unicodedata.category(character)[0] == "L")


SCRIPTS = {
    "latin": string.ascii_letters,
    "greek": "ΓΔΘΛΞΠΣΦΨΩαβγδεζηθλμξπσφψω",
    "cyrillic": "БГДЖЗИЛПУФЦЧШЩЪЫЬЭЮЯбвгджзийлптфцчшщъыьэюя",
    "hebrew": _span((0x5D0, 0x5EA)),
    "arabic": _span((0x628, 0x63A), (0x641, 0x64A)),
    "devanagari": _span((0x915, 0x939)),
    "bengali": _span((0x995, 0x9A8), (0x9AA, 0x9B0)),
    "thai": _span((0xE01, 0xE2E)),
    "hiragana": _span((0x3042, 0x3093)),
    "katakana": _span((0x30A2, 0x30F3)),
    "chinese": "日月火水木金土山川田人目手足心言車馬魚鳥雨雪風花草竹石國學校東西南北春夏秋冬食飲見行立",
    "georgian": _span((0x10D0, 0x10F0)),
    "armenian": _span((0x531, 0x556), (0x561, 0x586)),
    "ethiopic": _span((0x1200, 0x1206), (0x1208, 0x1246), (0x1260, 0x1286)),
}
OTHER_SCRIPTS = {  # for pretraining only
    "tamil": _span((0xB85, 0xB8A), (0xB92, 0xB95), (0xBAE, 0xBB9)),
    "telugu": _span((0xC15, 0xC28)),
    "kannada": _span((0xC95, 0xCA8)),
    "malayalam": _span((0xD15, 0xD28)),
    "gujarati": _span((0xA95, 0xAA8)),
    "gurmukhi": _span((0xA15, 0xA28)),
    "odia": _span((0xB15, 0xB28)),
    "sinhala": _span((0xD9A, 0xDB1)),
    "lao": _span((0xE81, 0xEAE)),
    "khmer": _span((0x1780, 0x17A2)),
    "burmese": _span((0x1000, 0x1021)),
    "tibetan": _span((0xF40, 0xF47), (0xF49, 0xF69)),
    "hangul": "가나다라마바사아자차카타파하강남동물산서울일월화수목금토한국글말",
    "cherokee": _span((0x13A0, 0x13F4)),
    "runic": _span((0x16A0, 0x16EA)),
    "ogham": _span((0x1681, 0x169A)),
    "gothic": _span((0x10330, 0x1034A)),
    "coptic": _span((0x2C80, 0x2CB1)),
    "glagolitic": _span((0x2C00, 0x2C2E)),
    "canadian aboriginal": _span((0x1401, 0x1480)),
    "tifinagh": _span((0x2D30, 0x2D65)),
    "nko": _span((0x7CA, 0x7EA)),
    "yi": _span((0xA000, 0xA030)),
    "vai": _span((0xA500, 0xA530)),
    "mongolian": _span((0x1820, 0x1842)),
    "syriac": _span((0x710, 0x72C)),
    "thaana": _span((0x780, 0x7A5)),
    "old italic": _span((0x10300, 0x1031C)),
    "phoenician": _span((0x10900, 0x10915)),
    "cuneiform": _span((0x12000, 0x12030)),
    "deseret": _span((0x10400, 0x10430)),
}
ALL_SCRIPTS = SCRIPTS | OTHER_SCRIPTS
DIGITS = string.digits
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LATIN = string.ascii_letters + string.digits
PUNCTUATION = "!?&@#%$*+=/(){}[]<>:;€£¥§"
WANTED = frozenset("".join(ALL_SCRIPTS.values()) + LATIN + PUNCTUATION)


def samples(script: str) -> str:
    """Eight characters by which fonts of a script are compared."""
    characters = ALL_SCRIPTS[script]
    return characters[:: max(1, len(characters) // 8)][:8]
