"""A letter that kills or stalls the layout engine is found among the others, which come out as without it."""

import os
import signal
import time
from typing import Any

import pytest

from uamail.printing import engine, profile, reference
from uamail.printing.jail import Limits
from uamail.printing.page import PieceSource

PAPER = profile.load("uk")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def stall() -> None:
    time.sleep(600)


def hoard() -> None:
    kept = [bytes(1 << 20) for _ in range(4_000)]
    assert kept


DEATHS = {"die": die, "crash": crash, "stall": stall, "hoard": hoard}


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine with a bug: it dies of certain words. The children inherit it."""
    real = engine.laid_out

    def laid_out(html: str) -> Any:
        for word, death in DEATHS.items():
            if f"please {word}" in html:
                death()
        return real(html)

    monkeypatch.setattr(engine, "laid_out", laid_out)
    monkeypatch.setattr(reference, "Limits", lambda cpu: Limits(cpu=cpu, wall=10))


def letters(word: str) -> list[PieceSource]:
    texts = ["one", "two", f"please {word}", "four", f"please {word} too", "six"]
    return [
        PieceSource(number=number, html=f"<p>{text}</p>", language="en", direction="ltr", text=text)
        for number, text in enumerate(texts, 1)
    ]


@pytest.mark.usefixtures("mortal")
@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("die", "the system killed the layout engine"),
        ("crash", "died of SIGSEGV"),
        ("stall", "more than 10 s"),
        ("hoard", "too much memory"),
    ],
)
def test_deadly_letter_is_found(word: str, why: str) -> None:
    pieces = letters(word)

    rendered = reference.render(pieces, profile=PAPER)

    assert [(one.number, one.reason) for one in rendered.refused] == [(3, "layout"), (5, "layout")]
    assert all(why in one.detail for one in rendered.refused)
    good = [piece for piece in pieces if "please" not in piece.text]
    assert rendered.pdf == reference.render(good, profile=PAPER).pdf
