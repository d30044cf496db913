"""What a domain publishes, judged as receivers do; each case is one sentence of an RFC."""

import pytest

from uamail.mail import dkimkey, published

RECORD = dkimkey.record(dkimkey.read(dkimkey.make("rsa"), kind="rsa").public_key())
OTHER = dkimkey.record(dkimkey.read(dkimkey.make("rsa"), kind="rsa").public_key())


@pytest.mark.parametrize(
    ("texts", "verdict", "says"),
    [
        (["v=spf1 include:relay.example -all"], "ok", "include:relay.example"),
        (["v=spf1 mx ~all", "google-site-verification=x"], "ok", "~all"),
        (["V=SPF1 redirect=_spf.relay.example"], "ok", "redirect"),
        ([], "problem", "no SPF record"),
        (["v=spf10 -all"], "problem", "no SPF record"),
        (["v=spf1 -all", "v=spf1 mx -all"], "problem", "2 SPF records"),
        (["v=spf1 mx +all"], "problem", "everybody"),
        (["v=spf1 mx all"], "problem", "everybody"),
        (["v=spf1 mx ?all"], "warning", "?all"),
        (["v=spf1 mx"], "warning", "no end"),
        (["v=spf1 " + " ".join(f"include:{n}.example" for n in range(11)) + " -all"], "problem", "more than 10"),
        (["v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(20)) + " -all"], "ok", "ip4"),
    ],
)
def test_spf(texts: list[str], verdict: str, says: str) -> None:
    assert published.spf(texts).verdict == verdict
    assert says in published.spf(texts).words


@pytest.mark.parametrize(
    ("texts", "verdict", "says"),
    [
        ([RECORD], "ok", "rsa"),
        ([RECORD.replace("p=", "p= ").replace("; ", " ;")], "ok", "rsa"),
        ([RECORD.replace(" k=rsa;", "")], "ok", "rsa"),
        ([], "problem", RECORD),
        ([OTHER], "problem", "another key"),
        ([RECORD, RECORD], "problem", "2 DKIM records"),
        (["v=DKIM1; k=rsa; p="], "problem", "revoked"),
        ([RECORD + "; t=y"], "warning", "testing"),
        ([RECORD.replace("k=rsa", "k=ed25519")], "problem", "another key"),
    ],
)
def test_dkim(texts: list[str], verdict: str, says: str) -> None:
    assert published.dkim(texts, record=RECORD).verdict == verdict
    assert says in published.dkim(texts, record=RECORD).words


@pytest.mark.parametrize(
    ("texts", "signs", "verdict", "says"),
    [
        (["v=DMARC1; p=reject; rua=mailto:d@office.org"], "office.org", "ok", "reject"),
        (["v=DMARC1;p=quarantine"], "mail.office.org", "ok", "quarantine"),
        (["v=DMARC1; p=none"], "office.org", "warning", "forged"),
        (["v=DMARC1; p=reject; adkim=s"], "mail.office.org", "problem", "adkim=s"),
        (["v=DMARC1; p=reject; adkim=s"], "OFFICE.org", "ok", "reject"),
        (["v=DMARC1"], "office.org", "problem", "no policy"),
        (["v=dmarc2; p=reject"], "office.org", "problem", "no DMARC record"),
        ([], "office.org", "problem", "v=DMARC1; p=reject"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "office.org", "problem", "2 DMARC records"),
    ],
)
def test_dmarc(texts: list[str], signs: str, verdict: str, says: str) -> None:
    found = published.dmarc(texts, sender="office.org", signs=signs)

    assert found.verdict == verdict
    assert says in found.words


def test_mx() -> None:
    assert published.mx({"b.office.org.": 20, "a.office.org.": 10}) == ("ok", "a.office.org., b.office.org.")
    assert published.mx({}).verdict == "warning"
    assert published.mx({".": 0}).verdict == "problem"
