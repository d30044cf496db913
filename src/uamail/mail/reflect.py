"""Reflecting: the mail of a rehearsal, which says on its face that it is one and can be answered by nobody."""

import base64
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Final

from uamail.errors import InputError
from uamail.mail.address import MAX_WORDS
from uamail.mail.message import Mail
from uamail.paths import TEMPLATES

MARK: Final = "[TEST]"
FALLBACK: Final = "en"

_WORDS = Path("mail/words")
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_STYLE = "border:2px solid #b00020;color:#b00020;background:#fff;padding:8px;margin:0 0 16px;font-weight:bold"


def reflect(mail: Mail, *, to: str, templates_dir: Path | None = None) -> Mail:
    """The mail as it goes to the one address `to` of a rehearsal, and to nobody else.

    A banner in both parts says for whom it was made, in the mail's language where there are words for it and in
    English otherwise; the subject is marked. Nothing in it leads to a supporter or changes anything: no Reply-To, no
    List-Unsubscribe. Its Message-ID is another one for each date, so that no mailbox takes a later mail for a copy of
    this one. Raises InputError when the words are missing.
    """
    language, words = _words(mail.language, templates_dir)
    banner = words["banner"].replace("{name}", mail.to[0] or words["nobody"])
    return replace(
        mail,
        to=("", to),
        subject=f"{MARK} {mail.subject}"[:MAX_WORDS],
        text=f"*** {banner} ***\n\n{mail.text}",
        html=_bannered(mail.html, banner, language),
        message_id=_another(mail),
        reply_to=None,
        auto=True,
        unsubscribe=None,
    )


def _bannered(html: str, banner: str, language: str) -> str:
    note = f'<p role="note" lang="{language}" dir="ltr" style="{_STYLE}">{escape(banner)}</p>'
    body = _BODY.search(html)
    place = body.end() if body else 0
    return f"{html[:place]}{note}{html[place:]}"


def _another(mail: Mail) -> str:
    """A Message-ID that only this rehearsal has; the original cannot be found from it."""
    seen = f"rehearsal\0{mail.message_id}\0{mail.date.isoformat()}".encode()
    local = base64.b32encode(hashlib.sha256(seen).digest()[:20]).decode().lower()
    return f"<{local}@{mail.message_id.rstrip('>').rpartition('@')[2]}>"


def _words(language: str, templates_dir: Path | None) -> tuple[str, Mapping[str, str]]:
    """The language of the banner and its words: the mail's own, else a wider one (de-CH, de), else English."""
    for tag in (*_wider(language), FALLBACK):
        for root in (templates_dir, TEMPLATES):
            file = root / _WORDS / f"{tag}.toml" if root is not None else None
            if file is not None and file.is_file() and (found := _read(file)) is not None:
                return tag, found
    raise InputError(f"{_WORDS}/{FALLBACK}.toml: no words under [test]")


def _wider(language: str) -> list[str]:
    parts = [part for part in language.split("-") if part.isalnum()]
    return ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _read(file: Path) -> Mapping[str, str] | None:
    try:
        words = tomllib.loads(file.read_text("utf-8")).get("test")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file.name}: {error}") from error
    whole = isinstance(words, dict) and all(isinstance(words.get(key), str) for key in ("banner", "nobody"))
    return words if whole else None
