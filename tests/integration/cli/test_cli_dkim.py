"""DKIM keys from the command line: made once, private, and at work when the settings say so."""

from stat import S_IMODE

import dkim
import pytest

from tests.acceptance.desk import Desk
from tests.unit.mail.test_mail_message import MAIL
from uamail.errors import SettingError
from uamail.installation import open_home
from uamail.mail.message import build

SIGNING = """[mail]
domain = "mail.example"
[dkim]
mode = "rsa+ed25519"
rsa_selector = "r1"
ed25519_selector = "e1"
"""


def test_keys_that_were_made_sign(desk: Desk) -> None:
    (desk.home / "uamail.toml").write_text('[mail]\ndomain = "mail.example"\n')
    made = [desk.ask("dkim", "key", "--selector", s, "--kind", k) for s, k in (("r1", "rsa"), ("e1", "ed25519"))]
    (desk.home / "uamail.toml").write_text(SIGNING)
    dns = {f"{one['name']}.".encode(): one["record"].encode() for one in made}

    inst = open_home(desk.home)
    signer = inst.signer
    inst.close()

    assert signer is not None
    data = signer.sign(build(MAIL))
    assert [dkim.DKIM(data).verify(n, dnsfunc=lambda name, timeout: dns[name]) for n in (0, 1)] == [True, True]  # noqa: ARG005
    assert {S_IMODE(file.stat().st_mode) for file in (desk.home / "keys").glob("dkim-*.pem")} == {0o600}


def test_record_is_printed_for_the_zone(desk: Desk) -> None:
    said = desk.run("dkim", "key", "--selector", "ua2026")

    assert said.code == 0
    assert '\nua2026._domainkey.ua.example. IN TXT ( "v=DKIM1; k=rsa; p=MIIB' in said.out


def test_key_is_never_written_over(desk: Desk) -> None:
    desk.ask("dkim", "key", "--selector", "ua2026")
    before = (desk.home / "keys" / "dkim-ua2026.pem").read_bytes()

    said = desk.run("dkim", "key", "--selector", "ua2026")

    assert said.code == 3
    assert (desk.home / "keys" / "dkim-ua2026.pem").read_bytes() == before


def test_selector_cannot_leave_the_keys(desk: Desk) -> None:
    said = desk.run("dkim", "key", "--selector", "../x")

    assert said.code == 2
    assert "DNS label" in said.err


def test_wrong_key_names_its_setting(desk: Desk) -> None:
    desk.ask("dkim", "key", "--selector", "e1", "--kind", "ed25519")
    (desk.home / "uamail.toml").write_text(SIGNING.replace('"r1"', '"e1"'))

    inst = open_home(desk.home)

    with pytest.raises(SettingError, match=r"dkim\.rsa_key_file.*not of the kind rsa"):
        _ = inst.signer
    inst.close()
