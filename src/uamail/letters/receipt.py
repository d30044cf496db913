"""The receipt: a mail that tells a supporter what became of a letter, or why it is held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uamail.errors import InputError
from uamail.letters import statewords
from uamail.letters.language import direction, match
from uamail.letters.words import MailWords, mail_words

# Which folder of templates speaks on which occasion: nothing more happens by itself; posted; held; came back.
OCCASIONS: Mapping[str, str] = {"settled": "receipt", "posted": "receipt", "held": "notice", "bounced": "notice"}
_FALLBACK = "en"


@dataclass(frozen=True)
class ReceiptLine:
    """One delivery as its signer sees it. `detail` may hold `reason`, `batch` and `date` (see statewords)."""

    target_name: str
    channel: str
    state: str
    detail: Mapping[str, str] = field(default_factory=dict)


def receipt(
    *,
    language: str,
    ua_reference: str,
    title: str,
    lines: Sequence[ReceiptLine],
    checkpoint: str | None,
    occasion: str,
    page: str | None = None,
    templates_dir: Path | None = None,
) -> MailWords:
    """The mail for one of OCCASIONS, in the supporter's language or else in English.

    `page` is the address of their private page, if there is one. The subject says nothing about country, target or
    case, because it shows on locked screens and in logs;
    the body holds states and the checkpoint, never the letter. Raises InputError for an occasion or a state
    that has no words.
    """
    if occasion not in OCCASIONS:
        raise InputError(f"occasion {occasion!r}: must be one of {', '.join(OCCASIONS)}")
    folder = f"mail/{OCCASIONS[occasion]}"
    spoken = match(language, available(folder, templates_dir)) or _FALLBACK
    context: dict[str, Any] = {
        "language": spoken,
        "direction": direction(spoken),
        "ua_reference": ua_reference,
        "title": title,
        "lines": [_row(line, language=spoken, templates_dir=templates_dir) for line in lines],
        "states": sorted({line.state for line in lines if line.channel != "fax"}),
        "faxed": sorted({line.state for line in lines if line.channel == "fax"}),
        "checkpoint": checkpoint,
        "occasion": occasion,
        "page": page,
        "invite": statewords.page_words("invite", language=spoken, templates_dir=templates_dir),
    }
    return mail_words(f"{folder}/{spoken}", context, templates_dir=templates_dir)


def available(folder: str, templates_dir: Path | None = None) -> tuple[str, ...]:
    """The languages that have both the templates of `folder` and the state words."""
    spoken = {
        path.parent.name for root in statewords.roots(templates_dir) for path in (root / folder).glob("*/body.txt")
    }
    return tuple(tag for tag in statewords.languages(templates_dir) if tag in spoken)


def _row(line: ReceiptLine, *, language: str, templates_dir: Path | None) -> dict[str, str]:
    return {
        "target": line.target_name,
        "channel": statewords.channel_words(line.channel, language=language, templates_dir=templates_dir),
        "state": statewords.state_words(
            line.state, line.detail, language=language, channel=line.channel, templates_dir=templates_dir
        ),
    }
