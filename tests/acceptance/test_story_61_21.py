"""The acceptance story: 61/21-2 past its deadline, from the signatures to the post, with every kind of worker."""

import re
from collections import Counter
from typing import Any

import pytest

from tests.acceptance.paper import Folder
from tests.acceptance.readers import WITH_NAME, seen, specimens
from tests.acceptance.story import BAD, PRESIDENT, REASON, Story
from uamail.mail import message
from uamail.mail.message import ReadMail

# The play itself is the set-up of the first test, and waits longer than a test may on a busy machine.
pytestmark = pytest.mark.timeout(2400)

OFFICES = {"TW": "tw@ua.example", "DE": "de@ua.example", "FR": "fr@ua.example", "CH": "ch@ua.example"}
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Reply-To"),
    *("MIME-Version", "Content-Type", "Content-Language"),
}
PRINTED = ("xi-jinping", "ma-xingrui", "erkin-tuniyaz", "zheng-zeguang")
TOLD_IN = ("de", "en", "fr", "zh-Hant")


# ---- before the release ----


def test_every_row_is_accounted_for(story: Story) -> None:
    report = story.imported

    assert report["rows"] == len(story.rows)
    assert report["new"] == report["rows"] - BAD
    assert (report["identical"], report["conflicting"], report["quarantined"]) == (0, 0, BAD)


def test_late_import_holds_every_letter(story: Story) -> None:
    cells = story.held.status["deliveries"]

    assert {target: set(by["print"]) for target, by in cells.items()} == {target: {"held"} for target in PRINTED}
    assert cells["xi-jinping"]["mail"] == {"held": story.imported["new"]}


def test_nothing_reaches_targets_unreleased(story: Story) -> None:
    before = story.received[: story.idle.arrived]

    assert {mail.recipient for mail in before}.isdisjoint({PRESIDENT})
    assert story.idle.batches == []


def test_supporters_hear_once_of_waiting(story: Story) -> None:
    notices = story.of(kind="notice")
    reachable = [id for id, row in story.signers.items() if row["contact"] == "yes" and row["email"]]

    assert sorted(one["appeal"] for one in notices) == sorted(reachable)
    assert story.idle.arrived == story.held.arrived
    assert story.idle.status == story.held.status


def test_notice_gives_the_reason(story: Story) -> None:
    english = {one["message_id"] for one in story.of(kind="notice", language="en")}
    told = [message.read(mail.data) for mail in story.received[: story.held.arrived] if mail.message_id in english]

    assert told
    assert all("deadline has passed" in mail.text or "consent" in mail.text for mail in told)


def test_release_past_deadline_needs_reason(story: Story) -> None:
    for said in story.refused:
        assert said.code == 3
        assert "deadline" in said.err
        assert "--reason" in said.err


def test_release_covers_consenting_signers_only(story: Story) -> None:
    willing = [row for row in story.signers.values() if row["consent"] == "yes"]
    embassy = [row for row in willing if row["country"] == "GB"]

    assert [one["letters"] for one in story.released] == [len(willing), 3 * len(willing) + len(embassy)]
    assert {(one["channel"], one["state"]) for one in story.released} == {("mail", "approved"), ("print", "approved")}


# ---- by mail ----


def test_nothing_is_lost_or_doubled(story: Story) -> None:
    copies = Counter(mail.message_id for mail in story.received if mail.recipient == PRESIDENT)
    states = {one["message_id"]: one["state"] for one in story.of(target="xi-jinping", channel="mail")}

    assert story.judged().faults == {}
    assert {states[id] for id in copies} == {"accepted"}
    assert set(copies.values()) == {1}
    assert sum(state == "accepted" for state in states.values()) == len(copies)


def test_every_mail_came_to_an_end(story: Story) -> None:
    states = Counter(one["state"] for one in story.of(target="xi-jinping", channel="mail"))
    unwilling = sum(row["consent"] == "no" for row in story.signers.values())

    assert set(states) <= {"accepted", "refused", "held"}
    assert states["held"] == unwilling
    assert states["refused"] < states["accepted"] / 20


def test_uncertain_letters_waited_for_people(story: Story) -> None:
    resolved = [one for one in story.deliveries if one["id"] in story.resolved]

    assert len(resolved) == len(story.resolved)
    for one in resolved:
        assert one["kind"] == "appeal"
        assert one["state"] == "accepted" or (story.resolved[one["id"]] == "not-sent" and one["attempts"] > 1)


def test_mail_greets_its_own_target(story: Story, letters: dict[int, ReadMail], action: dict[str, Any]) -> None:
    greetings = next(one for one in action["target"] if one["id"] == "xi-jinping")["salutation"]
    languages = {one["id"]: one["language"] for one in story.deliveries}

    for id, mail in letters.items():
        assert mail.to == ("Xi Jinping", PRESIDENT)
        assert mail.text.startswith(greetings.get(languages[id], greetings["en"]) + "\n")
        assert mail.header("Content-Language") == languages[id]


def test_mail_is_signed_as_chosen(story: Story, letters: dict[int, ReadMail]) -> None:
    appeals = {one["id"]: one["appeal"] for one in story.deliveries}
    levels = set()

    for id, mail in letters.items():
        row = story.signers[appeals[id]]
        levels.add(row["disclosure"])
        signature = mail.text.strip().split("\n\n")[-2].split("\n")
        assert mail.sender == (signature[0], "appeals@ua.example")
        if row["disclosure"] in WITH_NAME:
            assert (signature[0], len(signature)) == (row["name"], 2)
        else:
            assert row["name"] not in seen(mail)
    assert len(levels) == 5 or len(letters) < 100


def test_mail_tells_no_private_data(story: Story, letters: dict[int, ReadMail]) -> None:
    appeals = {one["id"]: one["appeal"] for one in story.deliveries}

    for id, mail in letters.items():
        row, words = story.signers[appeals[id]], seen(mail)
        assert re.search(r"@(post|inbox|letters|courrier|briefe|uni)\.example", words) is None
        assert row["address"] not in words
        assert f"{row['postcode']} {row['locality']}" not in words
        assert row["external_id"] not in words


def test_replies_go_to_the_office(story: Story, letters: dict[int, ReadMail]) -> None:
    appeals = {one["id"]: one["appeal"] for one in story.deliveries}

    for id, mail in letters.items():
        country = story.signers[appeals[id]]["country"]
        assert mail.header("Reply-To") == OFFICES.get(country, "gb@ua.example")
        assert {name for name, _ in mail.headers} == HEADERS


def test_message_ids_are_unique(story: Story) -> None:
    owners: dict[str, set[str]] = {}
    for mail in story.received:
        owners.setdefault(mail.message_id, set()).add(f"{mail.sender} {mail.recipient}")
    given = [one["message_id"] for one in story.deliveries if one["message_id"]]

    assert all(len(one) == 1 for one in owners.values())
    assert len(set(given)) == len(given)
    assert set(owners) <= set(given)


# ---- on paper ----


def test_sums_of_every_folder_verify(story: Story, folders: list[Folder]) -> None:
    assert [folder.path.name for folder in folders] == sorted(one["id"] for one in story.posted.batches)
    for folder in folders:
        assert folder.summed().returncode == 0
        assert folder.listed() == folder.manifest["files"]


def test_pages_are_those_of_the_manifest(story: Story, folders: list[Folder]) -> None:
    for folder in folders:
        totals = folder.manifest["totals"]
        assert len(folder.letters) == totals["pages"] == int(folder.pieces[-1]["last_page"])
        assert len(folder.pieces) == totals["pieces"]
    assert sum(len(folder.pieces) for folder in folders) == story.released[1]["letters"]


def test_printed_letters_read_back(story: Story, folders: list[Folder]) -> None:
    chosen = specimens(story)

    for folder in folders:
        wanted = chosen.get(folder.path.name, {})
        assert folder.findings({number: text for number, (text, _) in wanted.items()}) == ()
        for piece in folder.pieces:
            if int(piece["piece_no"]) in wanted:
                assert folder.shows(piece, [wanted[int(piece["piece_no"])][1]]) == ()


def test_every_letter_is_one_piece(story: Story) -> None:
    pieces = Counter(
        piece["delivery"]
        for batch in story.posted.batches
        for piece in story.desk.ask("batch", "show", batch["id"])["piece_list"]
    )
    posted = [one["id"] for one in story.of(channel="print", state="posted")]

    assert sorted(pieces) == sorted(posted)
    assert set(pieces.values()) == {1}


def test_only_british_signers_copy_the_embassy(story: Story) -> None:
    copies = story.of(target="zheng-zeguang")
    british = [id for id, row in story.signers.items() if row["country"] == "GB"]

    assert sorted(one["appeal"] for one in copies) == sorted(british)
    assert {one["kind"] for one in copies} == {"copy"}
    assert story.posted.status["excluded"] == {
        "zheng-zeguang": {"print": {"sender_country": len(story.signers) - len(british)}}
    }


def test_lists_name_no_supporter(story: Story, folders: list[Folder]) -> None:
    names = {row["name"] for row in story.signers.values()}

    for folder in folders:
        for name in ("pieces.csv", "manifest.json"):
            words = (folder.path / name).read_text(encoding="utf-8")
            assert not [one for one in names if one in words]
        for name in ("cover.pdf", "address.pdf"):
            words = "".join(folder.text(name))
            assert not [one for one in names if one in words]


def test_paper_tells_no_private_data(story: Story, folders: list[Folder]) -> None:
    rows = list(story.signers.values())
    shown = {row["name"] for row in rows if row["disclosure"] in WITH_NAME}
    hidden = {row["name"] for row in rows} - shown

    for folder in folders:
        words = " ".join(folder.letters)
        assert re.search(r"@(post|inbox|letters|courrier|briefe|uni)\.example", words) is None
        assert not [row["address"] for row in rows if row["address"] in words]
        assert not [name for name in hidden if name in words]


# ---- afterwards ----


def test_books_balance_at_every_stage(story: Story) -> None:
    for noon in (story.held, story.idle, story.printed, story.posted):
        assert noon.status["balanced"] is True
        assert noon.status["differences"] == []
        assert noon.status["appeals"] == story.imported["new"]


def test_record_holds_and_is_complete(story: Story) -> None:
    assert story.verified["ok"] is True
    assert story.verified["first_bad"] is None
    assert story.verified["unsequenced"] == 0
    assert re.fullmatch("[0-9a-f]{64}", story.verified["root"])


def test_explain_tells_a_mail_in_order(story: Story) -> None:
    accepted = [one for one in story.of(target="xi-jinping", channel="mail", state="accepted") if one["attempts"] == 1]
    one = next(one for one in accepted if one["id"] not in story.resolved)

    events = story.explained(one["id"])

    assert [event["type"] for event in events] == [
        *("appeal:received", "delivery:routed", "release:requested", "release:approved"),
        *("delivery:queued", "delivery:claimed", "delivery:accepted"),
    ]
    assert {event["actor"] for event in events[2:5]} == {story.desk.operator}
    assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)


def test_explain_tells_a_letter_in_order(story: Story) -> None:
    one = story.of(target="ma-xingrui", channel="print", state="posted")[0]

    events = story.explained(one["id"])

    assert [event["type"] for event in events] == [
        *("appeal:received", "delivery:routed", "release:requested", "release:approved"),
        *("delivery:queued", "delivery:batched"),
        *("batch:sealed", "batch:rendered", "batch:checked", "batch:approved", "batch:released", "batch:exported"),
        *("batch:printed", "delivery:posted", "batch:posted"),
    ]


def test_release_is_in_a_persons_name(story: Story) -> None:
    releases = story.desk.ask("release", "list")["releases"]

    assert [one["channel"] for one in releases] == ["mail", "print"]
    assert {(one["requested_by"], one["reason"]) for one in releases} == {(story.desk.operator, REASON)}


def test_receipts_speak_supporters_languages(story: Story, told: list[tuple[dict[str, Any], ReadMail]]) -> None:
    for one, mail in told:
        own = story.signers[one["appeal"]]
        language = mail.header("Content-Language")
        assert mail.to == (own["name"], own["email"])
        assert language == own["language"] or (own["language"] not in TOLD_IN and language in TOLD_IN)
    assert {mail.header("Content-Language") for _, mail in told} == set(TOLD_IN)


def test_receipts_have_neutral_subjects(told: list[tuple[dict[str, Any], ReadMail]]) -> None:
    subjects: dict[tuple[str, str | None], set[str]] = {}
    for one, mail in told:
        subjects.setdefault((one["kind"], mail.header("Content-Language")), set()).add(mail.subject)

    assert all(len(same) == 1 for same in subjects.values())


def test_receipts_claim_only_what_is_known(told: list[tuple[dict[str, Any], ReadMail]]) -> None:
    words = {"settled": "in print batch B", "posted": "handed over to the post on "}
    answers = ("accepted by the mail server", "refused by the mail server", "we do not know yet whether")

    for one, mail in told:
        if one["kind"] == "receipt" and one["language"] == "en":
            assert words[one["occasion"]] in mail.text
            assert any(answer in mail.text for answer in answers)


def test_supporters_hear_when_posted(story: Story) -> None:
    receipts = story.of(kind="receipt")
    reachable = sorted(
        id for id, row in story.signers.items() if row["contact"] == "yes" and row["email"] and row["consent"] == "yes"
    )

    for occasion in ("settled", "posted"):
        assert sorted(one["appeal"] for one in receipts if one["occasion"] == occasion) == reachable
    assert {one["state"] for one in receipts} <= {"accepted", "refused"}
