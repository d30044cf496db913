"""Scripts: which writing system a text uses, and which way it runs (ISO 15924 codes)."""

import unicodedata
from collections import Counter

# Scripts that run from right to left (Unicode Bidi_Class R or AL); Aran is Arabic in Nastaliq style.
RIGHT_TO_LEFT = frozenset({"Adlm", "Arab", "Aran", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi"})

# The first word of a character's Unicode name tells its script for every script that supporters have used so far.
_BY_NAME = {
    "ADLAM": "Adlm",
    "ARABIC": "Arab",
    "ARMENIAN": "Armn",
    "BENGALI": "Beng",
    "BOPOMOFO": "Bopo",
    "CANADIAN": "Cans",
    "CHEROKEE": "Cher",
    "CJK": "Hani",
    "COPTIC": "Copt",
    "CYRILLIC": "Cyrl",
    "DEVANAGARI": "Deva",
    "ETHIOPIC": "Ethi",
    "GEORGIAN": "Geor",
    "GREEK": "Grek",
    "GUJARATI": "Gujr",
    "GURMUKHI": "Guru",
    "HALFWIDTH": "Kana",
    "HANGUL": "Hang",
    "HANIFI": "Rohg",
    "HEBREW": "Hebr",
    "HIRAGANA": "Hira",
    "KANNADA": "Knda",
    "KATAKANA": "Kana",
    "KHMER": "Khmr",
    "LAO": "Laoo",
    "LATIN": "Latn",
    "MALAYALAM": "Mlym",
    "MONGOLIAN": "Mong",
    "MYANMAR": "Mymr",
    "NKO": "Nkoo",
    "ORIYA": "Orya",
    "SINHALA": "Sinh",
    "SYRIAC": "Syrc",
    "TAMIL": "Taml",
    "TELUGU": "Telu",
    "THAANA": "Thaa",
    "THAI": "Thai",
    "TIBETAN": "Tibt",
    "TIFINAGH": "Tfng",
    "YI": "Yiii",
}


def script_of(text: str) -> str:
    """The script most of the letters of `text` belong to, as an ISO 15924 code.

    Text with kana is "Jpan", however many Han characters it has; Han alone is "Hani". "Zyyy" when there is
    no letter, "Zzzz" when most letters belong to a script that is not in the table.
    """
    counts = Counter(_script(character) for character in text if unicodedata.category(character).startswith("L"))
    if not counts:
        return "Zyyy"
    if counts["Hira"] or counts["Kana"]:
        counts["Jpan"] = counts["Hira"] + counts["Kana"] + counts.pop("Hani", 0)
    return counts.most_common(1)[0][0]


def _script(character: str) -> str:
    first = unicodedata.name(character, "").partition(" ")[0]
    return _BY_NAME.get(first, "Zzzz")
