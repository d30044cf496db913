"""A fax gateway: a service that takes a fax as an e-mail whose address holds the number."""

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from uamail.errors import SettingError
from uamail.mail.address import header_safe, named, unstructured
from uamail.mail.envelope import is_plain
from uamail.mail.message import AS_WRITTEN, Party, dated, octets, require

_HOLE = re.compile(r"\{(\w*)\}")
_HOLES = frozenset({"number", "reference", "pages"})
_NUMBER = "861062381025"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The gateway's address with its {number}, and what it gets to print on a cover page: nothing of a person.

    Raises SettingError for an address that is none or a placeholder that stands for nothing.
    """

    address: str
    subject: str
    text: str

    def __post_init__(self) -> None:
        plain = self.address.count("{number}") == 1 and is_plain(self.recipient(f"+{_NUMBER}"))
        local = self.address.partition("@")[0]
        if not (plain and "{number}" in local and set(_HOLE.findall(self.address)) == {"number"}):
            raise SettingError("fax.address", self.address, 'write it like "{number}@fax.example"')
        for key, pattern in (("subject", self.subject), ("text", self.text)):
            if unknown := set(_HOLE.findall(pattern)) - _HOLES:
                words = ", ".join(f"{{{one}}}" for one in sorted(_HOLES))
                raise SettingError(f"fax.{key}", pattern, f"no such word: {{{unknown.pop()}}}; there is {words}")
        if not header_safe(self.subject):
            raise SettingError("fax.subject", self.subject, "write one line")

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2].lower()

    def recipient(self, number: str) -> str:
        """The address of a number in E.164."""
        return self.address.replace("{number}", number.removeprefix("+"))


@dataclass(frozen=True, kw_only=True)
class FaxMail:
    """A fax on its way to a gateway: the pages as `tiff`, the `reference` of its try ("F12") and who sends it."""

    number: str
    reference: str
    tiff: bytes
    pages: int
    sender: Party
    message_id: str
    date: datetime

    def __repr__(self) -> str:
        return f"FaxMail(reference={self.reference!r})"


def build(fax: FaxMail, gateway: Gateway) -> bytes:
    """The mail as bytes with CRLF, everything in base64; the same values give the same bytes."""
    root = EmailMessage(policy=AS_WRITTEN)
    recipient = gateway.recipient(fax.number)
    require(is_plain(fax.sender[1]) and is_plain(recipient), "an address")
    root["From"] = named(header_safe(fax.sender[0]), fax.sender[1])
    root["To"] = recipient
    root["Subject"] = unstructured(header_safe(_filled(gateway.subject, fax)))
    root["Date"] = dated(fax.date)
    root["Message-ID"] = fax.message_id
    root["MIME-Version"] = "1.0"
    # "=_" cannot occur in base64 (RFC 2045 6.7).
    root["Content-Type"] = f'multipart/mixed; boundary="=_{fax.reference}"'
    if gateway.text:
        root.attach(_part("text/plain; charset=utf-8", octets(_filled(gateway.text, fax))))
    # RFC 3302: what kind of TIFF it is; RFC 2183: it has a name, and that is an id.
    pages = _part("image/tiff; application=faxbw", fax.tiff)
    pages["Content-Disposition"] = f'attachment; filename="{fax.reference}.tiff"'
    root.attach(pages)
    return root.as_bytes()


def _part(kind: str, content: bytes) -> EmailMessage:
    part = EmailMessage(policy=AS_WRITTEN)
    part["Content-Type"] = kind
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(base64.encodebytes(content).decode())
    return part


def _filled(pattern: str, fax: FaxMail) -> str:
    words = {"number": fax.number.removeprefix("+"), "reference": fax.reference, "pages": str(fax.pages)}
    return _HOLE.sub(lambda hole: words[hole[1]], pattern)
