"""The made-up signatures are many-scripted, repeatable and readable."""

import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uamail.importing import profile, table
from uamail.importing.sample import languages, write
from uamail.importing.signature import Rejected, Signature, read

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def reading(path: Path) -> list[Signature | Rejected]:
    generic = profile.load("generic")
    return [read(row, generic, now=NOW) for row in table.rows(path, encoding="utf-8", delimiter=",")]


def signatures(path: Path) -> list[Signature]:
    found = reading(path)
    assert not [row for row in found if isinstance(row, Rejected)]
    return [row for row in found if isinstance(row, Signature)]


def test_same_seed_writes_the_same_file(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", count=200, seed=7, now=NOW, bad=4)
    write(tmp_path / "b.csv", count=200, seed=7, now=NOW, bad=4)
    write(tmp_path / "c.csv", count=200, seed=8, now=NOW, bad=4)

    first = (tmp_path / "a.csv").read_bytes()
    assert first == (tmp_path / "b.csv").read_bytes()
    assert first != (tmp_path / "c.csv").read_bytes()


def test_sample_has_the_whole_variety(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", count=2000, seed=1, now=NOW)

    signed = signatures(tmp_path / "a.csv")

    share = Counter(signature.body is not None for signature in signed)[True] / len(signed)
    assert len(signed) == 2000
    assert len({signature.external_id for signature in signed}) == 2000
    assert {signature.language for signature in signed} == set(languages())
    assert len({signature.disclosure for signature in signed}) == 5
    assert 0.09 < share < 0.15
    assert 0.95 < Counter(signature.consent for signature in signed)[True] / 2000 < 1
    assert {signature.contact for signature in signed} == {signature.reply for signature in signed} == {True, False}
    assert all(NOW - timedelta(days=21) <= signature.signed_at < NOW for signature in signed)


def test_names_are_of_twelve_scripts(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", count=2000, seed=2, now=NOW)

    letters = "".join(signature.name for signature in signatures(tmp_path / "a.csv"))

    kinds = {unicodedata.name(letter).split(" ")[0] for letter in letters if letter.isalpha()}
    scripts = {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "CJK", "HIRAGANA", "HANGUL", "THAI"}
    assert scripts <= kinds
    assert set("ۇۈۆ") & set(letters)


def test_mail_reaches_nobody_real(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", count=500, seed=3, now=NOW)

    addresses = [signature.email for signature in signatures(tmp_path / "a.csv") if signature.email]

    assert all(address.endswith(".example") for address in addresses)
    assert len({address.partition("@")[2] for address in addresses}) > 4
    assert len(set(addresses)) == len(addresses) < 500


def test_weights_choose_the_languages(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", count=100, seed=4, now=NOW, language_weights={"ug": 1, "zh-Hant": 1})

    assert {signature.language for signature in signatures(tmp_path / "a.csv")} == {"ug", "zh-Hant"}


@pytest.mark.parametrize("bad", [0, 1, 6, 13])
def test_as_many_bad_rows_as_asked(tmp_path: Path, bad: int) -> None:
    write(tmp_path / "a.csv", count=300, seed=5, now=NOW, bad=bad)

    found = reading(tmp_path / "a.csv")

    assert len(found) == 300
    assert sum(isinstance(row, Rejected) for row in found) == bad
