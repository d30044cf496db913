"""What a careful reader looks for in the mails and letters of the story."""

from typing import Any

from tests.acceptance.story import Story
from uamail.mail.message import ReadMail

# Disclosure levels at which a letter shows the signer's name.
WITH_NAME = ("name", "town", "address")


def seen(mail: ReadMail) -> str:
    """All that a reader of the mail can see."""
    return "\n".join((*(f"{name}: {value}" for name, value in mail.headers), mail.sender[0], mail.text, mail.html))


def specimens(story: Story) -> dict[str, dict[int, tuple[str, str]]]:
    """By batch and piece: the words and the signer's name of one letter for each language that signers have."""
    pieces = {
        piece["delivery"]: (batch["id"], piece["number"])
        for batch in story.posted.batches
        for piece in story.desk.ask("batch", "show", batch["id"])["piece_list"]
    }
    chosen: dict[str, dict[str, Any]] = {}
    for one in story.of(channel="print", state="posted"):
        row = story.signers[one["appeal"]]
        if row["disclosure"] in WITH_NAME:
            chosen.setdefault(row["language"], one)
    found: dict[str, dict[int, tuple[str, str]]] = {}
    for one in chosen.values():
        batch, number = pieces[one["id"]]
        found.setdefault(batch, {})[number] = (words(story, one), story.signers[one["appeal"]]["name"])
    return found


def words(story: Story, delivery: dict[str, Any]) -> str:
    """The printed words of a delivery, one line or paragraph a line, as `uamail receipt show` gives them."""
    shown = story.desk.ask("receipt", "show", delivery["appeal"])["letters"]
    letter = next(one for one in shown if (one["target"], one["channel"]) == (delivery["target"], "print"))
    return "\n".join(line for line in (letter["subject"], *letter["text"].split("\n")) if line)
