"""The names: what the DNS says of the domain that letters are from, and of the keys that sign them."""

from collections.abc import Callable, Iterator
from functools import partial

import dns.exception
import dns.resolver
from dns.resolver import Resolver

from uamail.doctor.finding import Finding
from uamail.errors import InputError, SettingError
from uamail.installation import Installation
from uamail.mail import dkimkey, published
from uamail.mail.published import Reading

# Seconds for one question, over all servers.
_PATIENCE = 3.0
# RFC 2606 and 6761: nobody can send mail from, or answer to, these.
_RESERVED = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")


def resolver(server: str | None, *, port: int = 53) -> Resolver:
    """The machine's own resolver, or the one at an IP address. Raises InputError for what is no address."""
    made = Resolver(configure=server is None)
    if server is not None:
        try:
            made.nameservers = [server]
        except ValueError as error:
            raise InputError(f"{server!r} is not the IP address of a name server") from error
        made.port = port
    made.lifetime = _PATIENCE
    return made


def findings(inst: Installation, ask: Resolver) -> Iterator[Finding]:
    """SPF, DKIM, DMARC and MX of the domain; "unknown" where no name server answers."""
    domain, signs = inst.settings.mail.domain, inst.settings.dkim_domain
    if any(f".{domain}".endswith(f".{one}") for one in _RESERVED):
        yield Finding(domain, "warning", "a name for examples only: set mail.domain to your own before letters go out")
        return
    yield _found(f"SPF {domain}", lambda: published.spf(_texts(ask, domain)))
    yield from _keys(inst, ask, signs)
    yield _found(f"DMARC {domain}", lambda: published.dmarc(_policy(ask, domain), sender=domain, signs=signs))
    yield _found(f"MX {domain}", lambda: published.mx(_exchangers(ask, domain)))


def _keys(inst: Installation, ask: Resolver, signs: str) -> Iterator[Finding]:
    mode = inst.settings.dkim.mode
    if mode == "relay":
        yield Finding(f"DKIM {signs}", "ok", "the relay signs; uamail doctor --send shows whether it does")
        return
    try:
        signer = inst.signer
    except SettingError as error:
        yield Finding(f"DKIM {signs}", "problem", str(error))
        return
    if signer is None:
        yield Finding(f"DKIM {signs}", "warning", "nobody signs: uamail dkim key, or dkim.mode = relay")
    else:
        for key in signer.keys:
            name = f"{key.selector}._domainkey.{signs}"
            yield _found(f"DKIM {name}", partial(_key, ask, name, dkimkey.record(key.private.public_key())))


def _key(ask: Resolver, name: str, record: str) -> Reading:
    return published.dkim(_texts(ask, name), record=record)


def _found(what: str, look: Callable[[], Reading]) -> Finding:
    try:
        reading = look()
    except dns.exception.DNSException as error:
        return Finding(what, "unknown", f"no name server says anything ({type(error).__name__})")
    return Finding(what, reading.verdict, reading.words)


def _policy(ask: Resolver, domain: str) -> list[str]:
    """The DMARC record of the domain or of the nearest one above it (RFC 9989 4.10 walks up the tree)."""
    labels = domain.split(".")
    for at in range(len(labels) - 1):
        if found := [text for text in _texts(ask, "_dmarc." + ".".join(labels[at:])) if text.startswith("v=DMARC1")]:
            return found
    return []


def _texts(ask: Resolver, name: str) -> list[str]:
    """The texts of the TXT records, none where there is no such name; raises DNSException when nobody answers."""
    try:
        answer = ask.resolve(name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def _exchangers(ask: Resolver, domain: str) -> dict[str, int]:
    try:
        answer = ask.resolve(domain, "MX")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return {}
    return {record.exchange.to_text(): record.preference for record in answer}
