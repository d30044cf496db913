"""What a mail domain publishes of itself in the DNS, read as receivers read it: SPF, DKIM, DMARC, MX."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Verdict = Literal["ok", "warning", "problem"]

# RFC 7208 4.6.4: the terms that make the receiver look something up, and how many it follows.
_LOOKS_UP = ("include", "a", "mx", "ptr", "exists", "redirect")
_MOST_LOOKUPS = 10


class Reading(NamedTuple):
    """How receivers take a record, in words; a remedy is part of them."""

    verdict: Verdict
    words: str


def spf(texts: Sequence[str]) -> Reading:
    """RFC 7208: one record, which ends in a no, and whose terms are followed to their end."""
    found = [text.lower().split() for text in texts if text.lower().split()[:1] == ["v=spf1"]]
    if len(found) != 1:
        return Reading("problem", _not_one(len(found), "SPF", "RFC 7208 4.5", "v=spf1 include:YOUR-RELAY -all"))
    terms = found[0][1:]
    if sum(_mechanism(term) in _LOOKS_UP for term in terms) > _MOST_LOOKUPS:
        return Reading("problem", f"more than {_MOST_LOOKUPS} terms to look up: receivers give up (RFC 7208 4.6.4)")
    ends = [term for term in terms if _mechanism(term) in ("all", "redirect")]
    if not ends:
        return Reading("warning", "it has no end: add -all, or receivers take no for neutral (RFC 7208 4.7)")
    if _mechanism(ends[0]) == "redirect" or ends[0] in ("-all", "~all"):
        return Reading("ok", " ".join(["v=spf1", *terms]))
    if ends[0] == "?all":
        return Reading("warning", "it ends in ?all, which says nothing: use -all")
    return Reading("problem", "it ends in +all: everybody may send in the domain's name; use -all")


def dkim(texts: Sequence[str], *, record: str) -> Reading:
    """RFC 6376 3.6.1: the public half of our key; `record` is the text that ought to stand there."""
    found = [tags for text in texts if "p" in (tags := _tags(text))]
    if len(found) != 1:
        return Reading("problem", _not_one(len(found), "DKIM", "RFC 6376 3.6.2.2", record))
    tags = found[0]
    if not tags["p"]:
        return Reading("problem", "the key is revoked there (p= is empty): make one with a new selector")
    ours = _tags(record)
    if (tags["p"], tags.get("k", "rsa")) != (ours["p"], ours["k"]):
        return Reading("problem", f"another key than ours stands there: {record}")
    if "y" in tags.get("t", "").split(":"):
        return Reading("warning", "t=y says that the domain is only testing: take it out")
    return Reading("ok", f"the key of ours ({ours['k']})")


def dmarc(texts: Sequence[str], *, sender: str, signs: str) -> Reading:
    """RFC 7489 6.3: what receivers do with mail that only says to be from `sender`; `signs` is the DKIM domain."""
    found = [tags for text in texts if (tags := _tags(text)).get("v") == "DMARC1"]
    if len(found) != 1:
        return Reading("problem", _not_one(len(found), "DMARC", "RFC 7489 6.6.3", "v=DMARC1; p=reject"))
    tags = found[0]
    if tags.get("adkim", "r").lower() == "s" and signs.lower() != sender.lower():
        return Reading("problem", f"adkim=s asks for signatures of {sender}, and {signs} signs: set dkim.domain")
    policy = tags.get("p", "").lower()
    if policy in ("reject", "quarantine"):
        return Reading("ok", f"p={policy}")
    if policy == "none":
        return Reading("warning", "p=none: forged letters in the domain's name are let in; p=reject once all is signed")
    return Reading("problem", "it has no policy: write p=reject (RFC 7489 6.3)")


def mx(hosts: Mapping[str, int]) -> Reading:
    """RFC 5321 5.1 and 7505: where what comes back goes to; `hosts` are names and their preferences."""
    if "." in hosts:
        return Reading("problem", 'it says that it takes no mail (MX "."), so no bounce comes back')
    if not hosts:
        return Reading("warning", "no MX: what comes back goes to the domain's own address, if it has one")
    return Reading("ok", ", ".join(sorted(hosts, key=lambda name: (hosts[name], name))))


def _not_one(n: int, name: str, source: str, remedy: str) -> str:
    if n:
        return f"{n} {name} records: receivers take none of them ({source}); keep one"
    return f"no {name} record: publish {remedy}"


def _mechanism(term: str) -> str:
    return term.lstrip("+-~?").partition(":")[0].partition("=")[0].partition("/")[0]


def _tags(text: str) -> dict[str, str]:
    """The tags of a list (RFC 6376 3.2), with all white space taken out of the values."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): "".join(value.split()) for name, equals, value in pairs if equals}
