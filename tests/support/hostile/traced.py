"""Lays out the hostile pages that want files and addresses, to be watched: `python -m tests.support.hostile.traced`."""

import sys

from tests.support.hostile.pages import FETCHING
from uamail.printing import engine, profile, reference
from uamail.printing.page import PieceSource


def main() -> int:
    """Print the directories that may be read, then lay out one letter after another, each in a child."""
    paper = profile.load("uk")
    for place in engine.readable():
        print(place)
    for page in FETCHING:
        piece = PieceSource(number=1, html=f"{page.html()} 漢 ك", language="en", direction="ltr", text="words")
        reference.render([piece], profile=paper)
    return 0


if __name__ == "__main__":
    sys.exit(main())
