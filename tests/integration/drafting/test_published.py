"""Five documents as they were published: exactly what is found in each, and exactly what is doubted."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from uamail.actions import loader
from uamail.drafting import lines, toml
from uamail.drafting.assemble import drafted
from uamail.drafting.draft import Draft

SEEDS = Path(__file__).parents[4] / "shared" / "seeds"
pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason="the published documents are not part of the project")

# By the first digits of the file's name.
DOUBTS = {
    "000": [
        *("action.title.en", "action.deadline.zone", "action.deadline.inclusive", "office[0]"),
        *("address[0].lines.Hant", "target[0].zone", "letter[0].subject", "letter[1].subject"),
    ],
    "001": [
        *("action.ua", "action.ordinal", "action.index", "action.issued", "action.languages", "action.title.en"),
        *("action.deadline.zone", "office[0]", "target[0].zone", "target[1].zone", "target[1].salutation.en"),
        *(
            "target[2].zone",
            "target[2].salutation.en",
            "target[3].salutation.en",
            "action.country",
            "letter[0].subject",
        ),
    ],
    "002": [
        *("action.ordinal", "action.issued", "action.closed_reason", "action.languages", "action.title.en"),
        *("office[0]", "target", "letter", "background.en"),
    ],
    "003": [
        *("action.ua", "action.ordinal", "action.index", "action.issued", "action.mode", "action.languages"),
        *(
            "action.title.en",
            "action.title.en",
            "office[0]",
            "target[0]",
            "target[0].zone",
            "target[1]",
            "target[1].zone",
        ),
        *("target[2]", "target[2].zone", "action.country", "letter[0].subject"),
    ],
    "004": [
        *("action.ua", "action.ordinal", "action.index", "action.issued", "action.mode", "action.languages"),
        *("action.title.en", "office[0]", "target", "action.country", "letter", "background.en"),
    ],
}


def draft(number: str) -> Draft:
    (path,) = SEEDS.glob(f"{number}_*")
    return drafted(lines.read(path))


@pytest.mark.parametrize("number", DOUBTS)
def test_doubts(number: str) -> None:
    assert [one.field for one in draft(number).doubts] == DOUBTS[number]


def test_bilingual_edition() -> None:
    made = draft("000").data
    head, target, address = made["action"], made["target"][0], made["address"][0]

    assert (head["ua"], head["ordinal"], head["index"]) == ("61/21", 2, "ASA 17/5905/2022")
    assert (head["country"], head["issued"], head["deadline"]["date"]) == ("CN", date(2022, 7, 29), date(2022, 9, 23))
    assert (head["languages"], head["own_language"]) == (["zh-Hant", "en"], True)
    assert head["subject"] == [{"name": "Group", "pronouns": "they/them"}]
    assert head["previous"].endswith("/ASA17/4243/2021/en/")
    assert target["name"] == {"zh-Hant": "習近平", "en": "Xi Jinping"}
    assert (target["email"], target["fax"]) == (["english@mail.gov.cn"], "+861062381025")
    assert set(target["salutation"]) == {"zh-Hant", "en"}
    assert (set(address["lines"]), address["postcode"]) == ({"Hant", "Hans", "Latn"}, "100017")
    assert [(one["language"], len(one["paragraphs"]), len(one["demands"])) for one in made["letter"]] == [
        ("zh-Hant", 4, 2),
        ("en", 4, 2),
    ]
    assert [one["closing"] for one in made["letter"]] == ["敬此", "Yours sincerely,"]
    assert not any("Index:" in line for one in made["letter"] for line in one["paragraphs"] + one["demands"])
    assert set(made["background"]) == {"zh-Hant", "en"}


def test_edition_with_additional_targets() -> None:
    made = draft("001").data

    found = [(one["id"], one["kind"], one["channels"]) for one in made["target"]]
    assert found == [
        ("xi-jinping", "primary", ["mail", "print"]),
        ("ma-xingrui", "additional", ["print"]),
        ("erkin-tuniyaz", "additional", ["print"]),
        ("zheng-zeguang", "copy", ["print"]),
    ]
    assert made["target"][1]["address"] == made["target"][2]["address"]
    assert [one.get("postcode") for one in made["address"]] == ["100017", "830041", "W1B 1JL"]
    assert made["target"][3]["copy_for"] == ["GB"]
    assert made["action"]["subject"] == [{"name": "Group", "pronouns": "they/them"}]


def test_closed_page() -> None:
    head = draft("002").data["action"]

    assert (head["ua"], head["index"], head["country"]) == ("61/21", "ASA 17/4243/2021", "CN")
    assert (head["status"], head["closed_on"]) == ("closed", date(2021, 9, 10))
    assert head["title"] == {"en": "Missing and arbitrarily detained in Xinjiang"}


def test_petition_with_a_joint_letter() -> None:
    made = draft("003").data

    assert made["action"]["mode"] == "petition"
    assert [one["name"]["en"] for one in made["target"]] == ["President Xi Jinping", "Ma Xingrui", "Erkin Tuniyaz"]
    assert {one["joint"] for one in made["target"]} == {"all"}
    assert (len(made["letter"][0]["paragraphs"]), len(made["letter"][0]["demands"])) == (4, 2)


def test_petition_without_a_letter() -> None:
    made = draft("004").data

    assert made["action"]["mode"] == "petition"
    assert (made["target"], made["letter"]) == ([], [])


@pytest.mark.parametrize(
    ("number", "answers"),
    [
        ("000", {}),
        (
            "001",
            {
                **{"ua": "61/21", "ordinal": 2, "index": "ASA 17/5905/2022", "issued": date(2022, 7, 29)},
                "languages": ["en", "zh-Hans"],
            },
        ),
    ],
)
def test_draft_loads_when_its_doubts_are_resolved(number: str, answers: dict[str, Any]) -> None:
    made = draft(number)
    made.data["action"] |= answers
    made.data["action"]["deadline"]["zone"] = "Europe/London"
    made.data["office"] = [
        {"country": "GB", "name": "Office", "address": ["1 Street"], "reply_to": "a@b.example", "zone": "Europe/London"}
    ]
    for target in made.data["target"]:
        target["salutation"] = {tag: words or "Dear Sir or Madam," for tag, words in target["salutation"].items()}

    action = loader.loads(toml.written(made, source=number), file="draft.toml")

    assert action.key == "61/21-2"
    assert len(action.targets) == len(made.data["target"])
