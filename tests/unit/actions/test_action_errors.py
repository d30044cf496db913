"""A wrong action file is refused with file, key, value and remedy."""

import re
from pathlib import Path

import pytest

from uamail.actions.loader import load, loads
from uamail.errors import ActionFileError

GOOD = """
[action]
ua = "7/24"
ordinal = 1
index = "EUR 12/0007/2024"
country = "FR"
issued = 2024-02-01
languages = ["fr"]
own_language = true
[action.title]
fr = "Titre"
[action.deadline]
date = 2024-03-31
zone = "Europe/Paris"
[[action.subject]]
name = "A."
pronouns = "she/her"
[[office]]
country = "GB"
name = "Office"
address = ["1 Example Street"]
reply_to = "office@ua.example"
zone = "Europe/London"
[[address]]
id = "palace"
country = "FR"
postcode = "00001"
[address.lines]
Latn = ["1 rue de l’Exemple", "00001 Ville"]
[[target]]
id = "minister"
kind = "primary"
address = "palace"
email = ["minister@gov.example"]
fax = "+33100000000"
zone = "Europe/Paris"
channels = ["mail", "print"]
[target.name]
fr = "Ministre"
[target.role]
fr = "Ministre"
[target.salutation]
fr = "Madame la Ministre,"
[[target]]
id = "embassy"
kind = "copy"
address = "palace"
zone = "Europe/London"
channels = ["print"]
copy_for = ["GB"]
[target.name]
fr = "Ambassade"
[target.salutation]
fr = "Madame,"
[[letter]]
language = "fr"
subject = "Objet"
paragraphs = ["Un.", "Deux."]
demands = ["Agissez."]
closing = "Salutations."
"""


def refusal(text: str) -> ActionFileError:
    with pytest.raises(ActionFileError) as caught:
        loads(text, file="a.toml")
    return caught.value


def changed(old: str, new: str) -> str:
    """The good file with one change: in its only or its first place."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_good_file_is_taken() -> None:
    action = loads(GOOD, file="a.toml")

    assert (action.key, action.status, action.mode, action.own_language) == ("7/24-1", "open", "individual", True)
    assert (action.target("minister").disclosure, action.target("embassy").role) == ("name", {})


@pytest.mark.parametrize(
    ("old", "new", "key", "value", "remedy"),
    [
        # Keys that are not known
        ('email = ["', 'emial = ["', "target[0].emial", ["minister@gov.example"], "did you mean email?"),
        ("own_language", "own_langauge", "action.own_langauge", True, "did you mean own_language?"),
        ("[[office]]", "[[ofice]]", "ofice", None, "did you mean office?"),
        ('pronouns = "', 'pronoun = "', "action.subject[0].pronoun", "she/her", "did you mean pronouns?"),
        (
            'reply_to = "',
            'xyz = "',
            "office[0].xyz",
            "office@ua.example",
            "use one of country, name, address, reply_to",
        ),
        (
            'zone = "Europe/Paris"\n[[action',
            'tz = "Europe/Paris"\n[[action',
            "action.deadline.tz",
            "Europe/Paris",
            "zone",
        ),
        ("ordinal = 1", '"\\u001b[2J" = 1', "action.'\\x1b[2J'", 1, "this key is not known"),
        # Kinds of value
        ('ua = "7/24"\n', "", "action.ua", None, "this key is missing"),
        ('ua = "7/24"', "ua = 7", "action.ua", 7, "in quotes"),
        ("ordinal = 1", "ordinal = 0", "action.ordinal", 0, "whole number from 1"),
        ("ordinal = 1", "ordinal = true", "action.ordinal", True, "whole number from 1"),
        ("own_language = true", 'own_language = "yes"', "action.own_language", "yes", "true or false"),
        ('languages = ["fr"]', 'languages = "fr"', "action.languages", "fr", "square brackets"),
        ('languages = ["fr"]', "languages = []", "action.languages", None, "at least 1"),
        ('fr = "Titre"', "", "action.title", None, "write [action.title]"),
        ('["1 Example Street"]', "[1]", "office[0].address[0]", 1, "in quotes"),
        ('postcode = "00001"', "postcode = 1", "address[0].postcode", 1, "in quotes"),
        # Numbers, days and zones
        ('ua = "7/24"', 'ua = "7-24"', "action.ua", "7-24", "like 61/21"),
        ('ua = "7/24"', 'ua = "7/24-2"', "action.ua", "7/24-2", 'write the number alone, "7/24", and ordinal = 2'),
        ("EUR 12/0007/2024", "EUR 12", "action.index", "EUR 12", "like ASA 17/5905/2022"),
        ("issued = 2024-02-01", 'issued = "1 Feb"', "action.issued", "1 Feb", "like 2022-09-23, without quotes"),
        ("issued = 2024-02-01", "issued = 2024-02-01T10:00:00Z", "action.issued", None, "without quotes and time"),
        ("issued = 2024-02-01", "issued = 0202-02-01", "action.issued", None, "a year from 1973 to 2199"),
        ("date = 2024-03-31", "date = 2024-01-31", "action.deadline.date", None, "it was issued on 2024-02-01"),
        ('"Europe/London"', '"Europe/Londn"', "office[0].zone", "Europe/Londn", "did you mean Europe/London?"),
        ('"Europe/London"', '"+01:00"', "office[0].zone", "+01:00", "IANA time zone"),
        # Languages, scripts, countries
        ('languages = ["fr"]', 'languages = ["french"]', "action.languages[0]", "french", "BCP 47"),
        ('fr = "Titre"', 'fr = "T"\nFR = "U"', "action.title.FR", "U", "fr is there twice"),
        ("Latn = [", "Latin = [", "address[0].lines.Latin", "Latin", "write Latn"),
        ("Latn = [", "Roman = [", "address[0].lines.Roman", "Roman", "ISO 15924"),
        ('"00001 Ville"]', '""]', "address[0].lines.Latn[1]", "", "write a text"),
        ('country = "FR"', 'country = "France"', "action.country", "France", "write FR"),
        ('country = "GB"', 'country = "UK"', "office[0].country", "UK", "write GB"),
        ('copy_for = ["GB"]', 'copy_for = ["gb"]', "target[1].copy_for[0]", "gb", "write GB"),
        ('copy_for = ["GB"]', 'copy_for = ["EU"]', "target[1].copy_for[0]", "EU", "ISO 3166"),
        # Mail and fax
        ("minister@gov.example", "minister@", "target[0].email[0]", "minister@", "one bare e-mail address"),
        ("minister@gov.example", "a@b.example, c@d.example", "target[0].email[0]", None, "one bare e-mail address"),
        ("minister@gov.example", "M <m@gov.example>", "target[0].email[0]", None, "one bare e-mail address"),
        ("office@ua.example", "büro@ua.example", "office[0].reply_to", "büro@ua.example", "one bare e-mail address"),
        ("+33100000000", "+33 (0)1 00 00 00 00", "target[0].fax", "+33 (0)1 00 00 00 00", 'leave "(0)" out'),
        ("+33100000000", "0100000000", "target[0].fax", "0100000000", "with its country code"),
        # Words with a fixed choice, and names for programs
        ('kind = "primary"', 'kind = "primay"', "target[0].kind", "primay", "did you mean primary?"),
        ('["mail", "print"]', '["mail", "post"]', "target[0].channels[1]", "post", "use one of mail, print, fax"),
        ('id = "minister"', 'id = "The Minister"', "target[0].id", "The Minister", "small letters"),
        ("own_language = true", 'previous = "ASA17"', "action.previous", "ASA17", "https://"),
        ("own_language = true", 'mode = "Petition"', "action.mode", "Petition", "did you mean petition?"),
        # Text
        ('"Objet"', '"Objet\\nBcc: x"', "letter[0].subject", "Objet\nBcc: x", "remove U+000A"),
        ('"Deux."', '"De\\u202Eux."', "letter[0].paragraphs[1]", "De\u202eux.", "RIGHT-TO-LEFT OVERRIDE"),
        ('"Deux."', '"De\\u2067ux."', "letter[0].paragraphs[1]", "De\u2067ux.", "close every bidi isolate"),
        ('"Deux."', '"  "', "letter[0].paragraphs[1]", "  ", "write a text"),
        # What the parts are to one another
        ('id = "embassy"', 'id = "minister"', "target[1].id", "minister", "target[0].id has it already"),
        ('["mail", "print"]', '["print", "print"]', "target[0].channels[1]", "print", "has it already"),
        ('address = "palace"', 'address = "place"', "target[0].address", "place", "did you mean palace?"),
        ('address = "palace"\n', "", "target[0].channels[1]", "print", "write address for this target"),
        ('email = ["minister@gov.example"]\n', "", "target[0].channels[0]", "mail", "write email for this target"),
        (
            'fax = "+33100000000"',
            'joint = "all"',
            "target[0].joint",
            "all",
            "nobody else is in this group; leave it out",
        ),
        ('languages = ["fr"]', 'languages = ["es", "fr"]', "action.languages[0]", "es", 'language = "es"'),
        ('languages = ["fr"]', 'languages = ["fr", "fr"]', "action.languages[1]", "fr", "has it already"),
        ('fr = "Madame,"', 'en = "Madam,"', "target[1].salutation.fr", None, "letter[0] is in fr"),
        (
            '[target.role]\nfr = "',
            '[target.role]\nen = "',
            "target[0].role.fr",
            None,
            "write the role in that language",
        ),
        ('demands = ["Agissez."]', "demands = []", "letter[0].demands", None, "at least 1"),
        ('demands = ["Agissez."]\n', "", "letter[0].demands", None, "at least 1"),
        ('copy_for = ["GB"]\n', "", "target[1].copy_for", None, "senders' countries"),
        ('kind = "copy"', 'kind = "additional"', "target[1].copy_for", ["GB"], 'only kind = "copy"'),
        ('kind = "primary"', 'kind = "copy"\ncopy_for = ["FR"]', "target", None, "at least one target"),
        ("ordinal = 1", 'status = "closed"', "action.closed_on", None, "a closed action needs it"),
        ("ordinal = 1", 'status = "closed"\nclosed_on = 2024-05-01', "action.closed_reason", None, "needs it"),
        ("ordinal = 1", "closed_on = 2024-05-01", "action.closed_on", None, "an open action has none"),
        (
            *("ordinal = 1", 'status = "closed"\nclosed_reason = "freed"\nclosed_on = 2023-05-01', "action.closed_on"),
            *(None, "it was issued on 2024-02-01"),
        ),
    ],
)
def test_wrong_value_names_key_and_remedy(old: str, new: str, key: str, value: object, remedy: str) -> None:
    error = refusal(changed(old, new))

    assert (error.file, error.key) == ("a.toml", key)
    assert value is None or error.value == value
    assert remedy in error.remedy


@pytest.mark.parametrize("part", ["office", "target", "letter"])
def test_missing_part_is_named(part: str) -> None:
    without = "\n".join(block for block in re.split(r"\n(?=\[\[)", GOOD) if not block.startswith(f"[[{part}]]"))

    error = refusal(without)

    assert error.key == part
    assert error.remedy == f"write at least 1 [[{part}]]"


@pytest.mark.parametrize("name", ["address", "letter"])
def test_repeated_part_is_refused(name: str) -> None:
    blocks = re.split(r"\n(?=\[\[)", GOOD)
    again = next(block for block in blocks if block.startswith(f"[[{name}]]"))

    error = refusal("\n".join([*blocks, again]))

    assert error.key.startswith(f"{name}[1].")
    assert error.remedy.startswith(f"{name}[0].")


def test_targets_may_share_a_letter() -> None:
    joint = GOOD.replace('address = "palace"\n', 'address = "palace"\njoint = "leaders"\n')

    action = loads(joint.replace("ordinal = 1", 'mode = "petition"'), file="a.toml")

    assert action.mode == "petition"
    assert {target.joint for target in action.targets} == {"leaders"}


def test_closed_action_keeps_its_closure() -> None:
    closure = 'status = "closed"\nclosed_on = 2024-03-05\nclosed_reason = "released"'

    action = loads(changed("ordinal = 1", closure), file="a.toml")

    assert (str(action.closed_on), action.closed_reason) == ("2024-03-05", "released")


def test_empty_file_wants_an_action() -> None:
    error = refusal("")

    assert error.key == "action"
    assert "write [action]" in error.remedy


@pytest.mark.parametrize(
    ("old", "new", "line", "value", "remedy"),
    [
        ('ua = "7/24"', 'ua = "7/24', "line 3", 'ua = "7/24', "column 11"),
        ("ordinal = 1", "ordinal = ", "line 4", "ordinal =", "Invalid value"),
        ("issued = 2024-02-01", "issued = 2024-02-30", "line 7", "issued = 2024-02-30", "Invalid date"),
        ("ordinal = 1", "ordinal = 1\nordinal = 2", "line 5", "ordinal = 2", "overwrite"),
        ('closing = "Salutations."\n', "closing = [", "line 60", "closing = [", "end of file"),
    ],
)
def test_syntax_error_names_the_line(old: str, new: str, line: str, value: str, remedy: str) -> None:
    error = refusal(changed(old, new))

    assert (error.key, error.value) == (line, value)
    assert remedy in error.remedy
    assert "no valid TOML" in error.remedy


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5_000])
def test_endless_values_are_refused(value: str) -> None:
    error = refusal(f"a = {value}")

    assert error.file == "a.toml"
    assert "no valid TOML" in error.remedy


def test_message_tells_everything(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(changed("minister@gov.example", "minister"), encoding="utf-8")

    with pytest.raises(ActionFileError) as caught:
        load(path)

    assert str(caught.value).startswith(f"{path}: target[0].email[0] = 'minister': write one bare e-mail address")


def test_unreadable_file_is_explained(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(GOOD.encode("cp1252"))

    with pytest.raises(ActionFileError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ActionFileError, match="save the file as UTF-8"):
        load(latin)
