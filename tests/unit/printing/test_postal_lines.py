"""The order of an address, its country line, and its fingerprint."""

from collections.abc import Mapping, Sequence

import pytest

from uamail.errors import PrintError
from uamail.printing import postal

CHINESE: Mapping[str, Sequence[str]] = {
    "Latn": ("1 Example Lu, Example Qu", "Example Shi 100000"),
    "Hans": ("100000 示例市示例区示例路1号",),
}


def texts(
    *,
    addressee: Sequence[str] = ("Secretary Example",),
    address_lines: Mapping[str, Sequence[str]] = CHINESE,
    country: str = "CN",
    sender: str = "GB",
    order: postal.Order = "destination-first",
) -> list[str]:
    printed = postal.lines(
        addressee=addressee, address_lines=address_lines, country=country, sender_country=sender, order=order
    )
    return [line.text for line in printed]


def test_destination_script_comes_before_latin() -> None:
    assert texts() == [
        "100000 示例市示例区示例路1号",
        "Secretary Example",
        "1 Example Lu, Example Qu",
        "Example Shi 100000",
        "CHINA",
    ]


def test_latin_order_leaves_the_destination_script_out() -> None:
    assert texts(order="latin")[0] == "Secretary Example"
    assert not any("示" in text for text in texts(order="latin"))


def test_chinese_addressee_follows_the_chinese_address() -> None:
    printed = texts(addressee=("示例书记", "Secretary Example"))

    assert printed[:3] == ["100000 示例市示例区示例路1号", "示例书记", "Secretary Example"]


def test_cyrillic_addressee_precedes_the_cyrillic_address() -> None:
    printed = texts(addressee=("Министру",), address_lines={"Cyrl": ("ул. Примерная, 1",)}, country="RU")

    assert printed == ["Министру", "ул. Примерная, 1", "RUSSIA"]


def test_authored_lines_keep_their_order() -> None:
    authored = ("Line c", "Line a", "Line b")

    assert texts(addressee=(), address_lines={"Latn": authored})[:3] == list(authored)


@pytest.mark.parametrize(
    ("sender", "country_lines"),
    [
        ("GB", ["CHINA"]),
        ("DE", ["CHINA"]),
        ("FR", ["CHINE"]),
        ("CH", ["CHINA"]),
        ("BE", ["CHINE"]),
        ("ES", ["CHINA"]),
        ("IT", ["CINA"]),
        ("TR", ["ÇİN"]),
        ("TW", ["中國", "CHINA"]),
        ("JP", ["中国", "CHINA"]),
        ("GR", ["ΚΙΝΑ", "CHINA"]),
    ],
)
def test_country_is_named_for_the_sender(sender: str, country_lines: list[str]) -> None:
    assert texts(sender=sender)[4:] == country_lines


@pytest.mark.parametrize(
    ("country", "language", "name"),
    [
        ("DE", "fr", "ALLEMAGNE"),
        ("GB", "de", "VEREINIGTES KÖNIGREICH"),
        ("HK", "en", "HONG KONG"),
        ("HK", "zh-Hant", "香港"),
        ("MM", "en", "MYANMAR"),
        ("US", "zh-Hant", "美國"),
        ("US", "zh-Hans", "美国"),
    ],
)
def test_country_name_is_in_capitals(country: str, language: str, name: str) -> None:
    assert postal.country_name(country, language) == name


def test_unknown_country_is_refused() -> None:
    with pytest.raises(PrintError, match="XQ"):
        postal.country_name("XQ", "en")


def test_embassy_at_home_has_no_country_line() -> None:
    embassy = {"Latn": ("Embassy of Example", "1 Example Place", "London W1B 1JL")}

    printed = texts(addressee=("The Ambassador",), address_lines=embassy, country="GB", sender="GB")

    assert printed == ["The Ambassador", "Embassy of Example", "1 Example Place", "London W1B 1JL"]


def test_office_language_overrides_its_country() -> None:
    printed = postal.lines(addressee=(), address_lines=CHINESE, country="CN", sender_country="CH", sender_language="fr")

    assert printed[-1] == postal.AddressLine("CHINE", "fr", "Latn")


def test_only_the_countrys_own_han_is_printed() -> None:
    both = {"Hant": ("臺北市範例路1號",), "Hans": ("台北市范例路1号",)}

    assert texts(addressee=(), address_lines=both, country="TW")[0] == "臺北市範例路1號"
    assert texts(addressee=(), address_lines=both, country="CN")[0] == "台北市范例路1号"


def test_lines_carry_language_and_script() -> None:
    address = {"Arab": ("ئۈرۈمچى",), **CHINESE}

    printed = postal.lines(addressee=(), address_lines=address, country="CN", sender_country="DE")

    assert [(line.lang, line.script) for line in printed] == [
        ("ug", "Arab"),
        ("zh-Hans", "Hans"),
        ("und-Latn", "Latn"),
        ("und-Latn", "Latn"),
        ("de", "Latn"),
    ]


def test_address_without_lines_is_refused() -> None:
    with pytest.raises(PrintError, match="Secretary Example"):
        texts(address_lines={"Hans": CHINESE["Hans"]}, order="latin")


def test_fingerprint_changes_with_any_line() -> None:
    home = postal.lines(addressee=(), address_lines=CHINESE, country="CN", sender_country="CN")
    abroad = postal.lines(addressee=(), address_lines=CHINESE, country="CN", sender_country="GB")

    assert postal.fingerprint(home) == postal.fingerprint(tuple(home))
    assert len(postal.fingerprint(home)) == 64
    assert postal.fingerprint(home) != postal.fingerprint(abroad)
    assert postal.fingerprint(home) != postal.fingerprint(home[::-1])
