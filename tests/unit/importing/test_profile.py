"""A profile finds the columns of a header, or says which one is missing or double."""

import pytest

from uamail.errors import SignatureFileError
from uamail.importing.profile import FIELDS, Profile, joined_name
from uamail.importing.table import Row

REQUIRED = ("name", "country", "consent", "signed_at")
PROFILE = Profile(name="test", source="test", columns={name: (name,) for name in FIELDS}, required=REQUIRED)


def row(header: tuple[str, ...], *cells: str) -> Row:
    return Row(line=2, ordinal=1, offset=0, raw="", header=header, cells=cells)


def test_titles_match_without_case_and_spacing() -> None:
    columns = PROFILE.match(["NAME", " Country", "consent", "Signed-At", "Shoe size", ""], file="a.csv")

    assert columns.places == {"name": 0, "country": 1, "consent": 2, "signed_at": 3}
    assert columns.unknown == ("Shoe size",)


def test_missing_column_is_named_with_header() -> None:
    with pytest.raises(SignatureFileError, match="no column for consent; its header is: name, country, signed_at"):
        PROFILE.match(["name", "country", "signed_at"], file="a.csv")


def test_two_columns_for_a_field_are_refused() -> None:
    with pytest.raises(SignatureFileError, match="'name' and 'Name' are both name"):
        PROFILE.match(["name", "Name", *REQUIRED[1:]], file="a.csv")


def test_name_may_come_in_parts() -> None:
    header = ("given_name", "family_name", *REQUIRED[1:])

    assert PROFILE.cells(row(header, "Ann", "Lee", "CH", "yes", ""))["name"] == "Ann Lee"


def test_one_part_of_a_name_is_too_little() -> None:
    with pytest.raises(SignatureFileError, match="no column for name"):
        PROFILE.match(["given_name", *REQUIRED[1:]], file="a.csv")


@pytest.mark.parametrize(
    ("given", "family", "name"),
    [
        ("小明", "王", "王小明"),
        ("민준", "김", "김민준"),
        ("Ann", "", "Ann"),
        ("", "Lee", "Lee"),
        ("Ming", "王", "Ming 王"),
    ],
)
def test_parts_join_as_the_script_does(given: str, family: str, name: str) -> None:
    assert joined_name(given, family) == name


def test_constants_and_words_are_replaced() -> None:
    profile = Profile(
        name="test",
        source="test",
        columns={"consent": ("ok",), "name": ("who",)},
        required=("name", "disclosure"),
        constants={"disclosure": "initials"},
        values={"consent": {"oui": "yes"}},
    )

    cells = profile.cells(row(("who", "ok"), "Ann", " OUI "))

    assert cells == {"disclosure": "initials", "name": "Ann", "consent": "yes"}
