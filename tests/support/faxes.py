"""Faxes in tests: an action whose target has a fax number, and a fax server that reads the spool as real ones do."""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from statistics import correlation
from typing import Any

from PIL import Image

from tests.support.world import demo
from uamail.actions.values import ActionFile

NUMBER = "+861062381025"
LANE = f"fax:{NUMBER}"
SPOOL = {"UAMAIL_FAX__WAY": "spool"}
GATEWAY = {"UAMAIL_FAX__WAY": "gateway", "UAMAIL_FAX__ADDRESS": "{number}@fax.example"}
# A number's five minutes would make a test long; the pace itself is tested where claims are.
QUICK = {"UAMAIL_PACING__NUMBER__BURST": "50", "UAMAIL_PACING__FAX__BURST": "50", "UAMAIL_FAX__POLL_SECONDS": "0.2"}


def fax_only() -> ActionFile:
    """The demonstration action, its first target by fax, nobody else."""
    action = demo()
    return replace(action, targets=(replace(action.targets[0], channels=("fax",), fax=NUMBER),))


@dataclass(frozen=True)
class Fax:
    """A fax as the other side gets it: its picture, page by page, and the words that came with it."""

    number: str
    data: bytes
    told: dict[str, Any]

    @property
    def pages(self) -> list[Image.Image]:
        with Image.open(io.BytesIO(self.data)) as file:
            return [_frame(file, number) for number in range(getattr(file, "n_frames", 1))]

    @property
    def tags(self) -> list[dict[int, Any]]:
        """The TIFF tags of every page."""
        found = []
        with Image.open(io.BytesIO(self.data)) as file:
            for number in range(getattr(file, "n_frames", 1)):
                file.seek(number)
                found.append(dict(file.tag_v2))  # type: ignore[attr-defined]
        return found


def _frame(file: Image.Image, number: int) -> Image.Image:
    file.seek(number)
    return file.copy()


@dataclass(frozen=True)
class Server:
    """The fax server beside a spool."""

    folder: Path

    def jobs(self) -> Iterator[tuple[str, Fax]]:
        """What lies there to be sent, whole: a job that names pages which are not there, or others, is an error."""
        for path in sorted(self.folder.glob("F*.json")):
            if path.name.endswith(".result.json"):
                continue
            told = json.loads(path.read_bytes())
            data = (self.folder / told["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == told["sha256"]
            yield told["job"], Fax(told["number"], data, told)

    def answer(self, job: str, status: str, reason: str = "") -> None:
        """Leave a result, in one step as the protocol asks for."""
        draft = self.folder / f"draft-{job}"
        draft.write_text(json.dumps({"status": status, "reason": reason}))
        os.rename(draft, self.folder / f"{job}.result.json")


def mailed(data: bytes) -> Fax:
    """The fax in a mail to a gateway."""
    message = message_from_bytes(data, policy=default)
    (part,) = message.iter_attachments()
    content = part.get_content()
    assert isinstance(content, bytes)
    headers = {name.lower(): str(value) for name, value in message.items()}
    return Fax("+" + headers["to"].partition("@")[0], content, headers)


def likeness(one: Image.Image, other: Image.Image, *, size: tuple[int, int] = (216, 286)) -> float:
    """How alike two pages look from some distance, whatever their blackness: the correlation of their greys."""
    small = [page.convert("L").resize(size, Image.Resampling.BOX) for page in (one, other)]
    return correlation(*(list(page.tobytes()) for page in small))
