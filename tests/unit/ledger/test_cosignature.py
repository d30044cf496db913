"""Cosignatures: the example of the C2SP specification, and what does not count as one."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from uamail.errors import LedgerError
from uamail.ledger.checkpoint import Checkpoint, sign, verifier_line
from uamail.ledger.cosignature import Witness, cosign, cosigned_at, read_witness
from uamail.ledger.note import signature, split
from uamail.ledger.tree import leaf_hash

# C2SP tlog-cosignature: key id and time of its example line can be read without the key.
C2SP_NOTE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE"
    "+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0x"
    "Ue+mbIUBkBIfZ+qnA==\n"
)

NAME = "ua.example/log"
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
WITNESS = Witness("witness.example/w1", KEY.public_key())
NOTE = sign(Checkpoint(NAME, 7, leaf_hash(b"x")), LOG, name=NAME)
BODY = split(NOTE)[0]
AT = 1_679_315_147


def test_published_line_has_our_form() -> None:
    name, blob = signature(split(C2SP_NOTE)[1][1])

    assert name == "witness.example.com/w1"
    assert (blob[:4].hex(), int.from_bytes(blob[4:12]), len(blob)) == ("8d66cf3f", AT, 4 + 8 + 64)


def test_cosigned_note_tells_when() -> None:
    assert cosigned_at(NOTE + cosign(BODY, KEY, name=WITNESS.name, at=AT), WITNESS) == AT


def test_note_without_the_witness_is_not_cosigned() -> None:
    assert cosigned_at(NOTE, WITNESS) is None
    assert cosigned_at(NOTE + cosign(BODY, LOG, name=WITNESS.name, at=AT), WITNESS) is None
    assert cosigned_at(NOTE + cosign(BODY, KEY, name="other.example", at=AT), WITNESS) is None


@pytest.mark.parametrize("body", [BODY.replace("7", "8"), BODY + "more\n"])
def test_cosignature_of_another_checkpoint_does_not_count(body: str) -> None:
    assert cosigned_at(NOTE + cosign(body, KEY, name=WITNESS.name, at=AT), WITNESS) is None


def test_moved_time_does_not_count() -> None:
    line = cosign(BODY, KEY, name=WITNESS.name, at=AT)
    blob = bytearray(base64.b64decode(line.split()[2]))
    blob[11] ^= 1
    moved = f"— {WITNESS.name} {base64.b64encode(bytes(blob)).decode()}\n"

    assert cosigned_at(NOTE + moved, WITNESS) is None


def test_witness_line_is_read_back() -> None:
    assert read_witness(WITNESS.line()) == WITNESS


def test_key_of_a_log_is_no_witness() -> None:
    with pytest.raises(LedgerError, match="not that of a witness"):
        read_witness(verifier_line(NAME, LOG.public_key()))
