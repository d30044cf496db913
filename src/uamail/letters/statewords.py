"""Words for states, channels and reasons, per language: what a supporter reads about a letter."""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_date

from uamail.errors import InputError
from uamail.paths import TEMPLATES

_FOLDER = Path("mail/words")
_VALUE = re.compile(r"\{(\w+)\}")
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")


def roots(templates_dir: Path | None) -> tuple[Path, ...]:
    """Where templates are looked for, the operator's own folder first."""
    return tuple(root for root in (templates_dir, TEMPLATES) if root is not None)


def languages(templates_dir: Path | None = None) -> tuple[str, ...]:
    """The languages that have state words."""
    return tuple(sorted({path.stem for root in roots(templates_dir) for path in (root / _FOLDER).glob("*.toml")}))


def state_words(
    state: str, detail: Mapping[str, str], *, language: str, channel: str = "", templates_dir: Path | None = None
) -> str:
    """What happened to a letter in the words of `language`, which must be one of `languages()`.

    A `channel` may have words of its own: what a mail server accepts is handed over to a fax service. `detail` may hold
    `reason` (a hold reason), `batch` ("B12"), `signers` (how many stand in the same mail) and `date` (ISO 8601). A
    reason that has no words is never shown as it is: it may be a note for staff. Raises InputError for a state without
    words.
    """
    words = _words(language, templates_dir)
    reasons = words.get("reason", {})
    known = dict(detail)
    known["reason"] = reasons.get(detail.get("reason", ""), reasons.get("other", ""))
    if "date" in known:
        known["date"] = _long_date(known["date"], language)
    try:
        pattern = str(words.get(channel, {}).get(state) or words["state"][state])
    except KeyError:
        raise InputError(f"mail/words/{language}.toml: no words for the state {state!r}") from None
    return fill(pattern, known)


def channel_words(channel: str, *, language: str, templates_dir: Path | None = None) -> str:
    """The channel in the words of `language`; the channel's own name where it has none."""
    return str(_words(language, templates_dir).get("channel", {}).get(channel, channel))


def page_words(key: str, *, language: str, templates_dir: Path | None = None) -> str:
    """What the private page says in the words of `language`. Raises InputError for a key that has none."""
    try:
        return str(_words(language, templates_dir)["page"][key])
    except KeyError:
        raise InputError(f"mail/words/{language}.toml: no words for page.{key}") from None


def fill(pattern: str, values: Mapping[str, str]) -> str:
    """`pattern` with its {values}; a part in [brackets] goes when one of its values is not known.

    Not str.format, which would let a translator's file read attributes.
    """

    def keep(part: re.Match[str]) -> str:
        return part[1] if all(values.get(name) for name in _VALUE.findall(part[1])) else ""

    # Brackets first, so that brackets inside a value stay as they are.
    return _VALUE.sub(lambda name: values.get(name[1], ""), _OPTIONAL.sub(keep, pattern))


def _long_date(text: str, language: str) -> str:
    # CLDR's plain `en` is American; en_001 is what the rest of the world writes.
    locale = "en_001" if language == "en" else language.replace("-", "_")
    try:
        return str(format_date(date.fromisoformat(text[:10]), format="long", locale=locale))
    except ValueError as error:
        raise InputError(f"date {text!r}: must be ISO 8601, such as 2026-01-15") from error


def _words(language: str, templates_dir: Path | None) -> dict[str, Any]:
    for root in roots(templates_dir):
        file = root / _FOLDER / f"{language}.toml"
        if file.is_file():
            return _read(file, file.stat().st_mtime_ns)
    raise InputError(f"mail/words/{language}.toml is missing")


@lru_cache(maxsize=64)
def _read(file: Path, changed: int) -> dict[str, Any]:  # noqa: ARG001 -- `changed` makes an edited file be read again
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name}: {error}") from error
