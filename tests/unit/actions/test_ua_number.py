"""UA numbers and document indexes as people write them."""

import pytest

from uamail.actions import ua
from uamail.actions.ua import Key
from uamail.errors import InputError


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("61/21", Key("61/21")),
        ("061/21", Key("61/21")),
        ("UA 061/21", Key("61/21")),
        ("UA061/21", Key("61/21")),
        ("ua 61/21", Key("61/21")),
        ("UA: 61/21", Key("61/21")),
        ("UA\u00a0061/21", Key("61/21")),
        ("  61/21 ", Key("61/21")),
        ("61/21-2", Key("61/21", 2)),
        ("UA 061/21-2", Key("61/21", 2)),
        ("99/26-1", Key("99/26", 1)),
        ("320/20-12", Key("320/20", 12)),
        ("1/00", Key("1/00")),
    ],
)
def test_number_is_read_as_written(text: str, key: Key) -> None:
    assert ua.parse(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "61",
        "61/2021",
        "61/2",
        "0/21",
        "61/21-0",
        "61/21-",
        "61-21",
        "61/21-2-3",
        "UA",
        "٦١/٢١",
        "61/21x",
        "12345/21",
    ],
)
def test_other_texts_are_no_number(text: str) -> None:
    with pytest.raises(InputError, match="61/21-2"):
        ua.parse(text)


@pytest.mark.parametrize("text", ["061/21", "61/21", "UA 061/21", "61/21-2"])
def test_normalising_gives_the_bare_number(text: str) -> None:
    assert ua.normalise(text) == "61/21"


@pytest.mark.parametrize(("key", "text"), [(Key("61/21", 2), "61/21-2"), (Key("61/21"), "61/21")])
def test_key_reads_as_it_is_typed(key: Key, text: str) -> None:
    assert str(key) == text
    assert ua.parse(str(key)) == key


@pytest.mark.parametrize(
    ("text", "is_index"),
    [
        ("ASA 17/5905/2022", True),
        ("ASA\u00a017/4243/2021", True),
        ("XX 99/0001/2026", True),
        ("61/21", False),
        ("61/21-2", False),
        ("ASA 17/5905", False),
        ("ASA 17/5905/22", False),
        ("asa 17/5905/2022", False),
        ("Index: ASA 17/5905/2022", False),
        ("", False),
    ],
)
def test_index_is_told_from_number(text: str, is_index: bool) -> None:
    assert ua.is_index(text) is is_index
