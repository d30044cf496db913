"""Quotation marks and apostrophes as the language of a text writes them, however the document has them."""

import re

# The outer pair by language; Chinese texts have their own signs, which are left alone.
_PAIRS = {"en": "“”", "de": "„“", "fr": "«»", "es": "«»"}
_ANY = re.compile(r"[\"“”„«»]")
_APOSTROPHE = re.compile(r"(?<=\w)['´`](?=\w)|(?<=s)'(?=\s)")


def tidy(text: str, language: str) -> str:
    """The text with one style of quotation marks; a text whose marks do not pair is left as it is."""
    text = _APOSTROPHE.sub("’", text)
    pair = _PAIRS.get(language.partition("-")[0])
    if pair is None or len(_ANY.findall(text)) % 2:
        return text
    pieces = _ANY.split(text)
    inner = "\u202f" if pair == "«»" and language.startswith("fr") else ""
    made = pieces[0]
    for at in range(1, len(pieces), 2):
        made += pair[0] + inner + pieces[at].strip("\u202f\u00a0 ") + inner + pair[1] + pieces[at + 1]
    return made
