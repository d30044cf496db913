"""Proofs as text: the form of the specification, and what is refused."""

import pytest

from uamail.errors import LedgerError
from uamail.ledger.proof import Proof, parse
from uamail.ledger.tree import leaf_hash

NOTE = "log.example\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— log.example AAAAAA==\n"
PATH = (leaf_hash(b"a"), leaf_hash(b"b"))
TEXT = Proof(index=2, path=PATH, note=NOTE, extra=b"more").text()

# C2SP tlog-proof, the example; its checkpoint is cut in the specification itself.
C2SP = """\
c2sp.org/tlog-proof@v1
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

"""


def test_published_example_is_read_and_written() -> None:
    found = parse(C2SP)

    assert (found.index, len(found.path), found.extra) == (73894, 5, b"")
    assert found.path[0].hex().startswith("8122b25e8619")
    assert found.note.startswith("example.com/fancylog\n109482\n")
    assert found.text() == C2SP


@pytest.mark.parametrize("extra", [b"", b"\0", b"more"])
@pytest.mark.parametrize("path", [(), PATH[:1], PATH])
def test_proof_survives_as_text(path: tuple[bytes, ...], extra: bytes) -> None:
    proof = Proof(index=0, path=path, note=NOTE, extra=extra)

    assert parse(proof.text()) == proof


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        NOTE,
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 2", "index 02"),
        TEXT.replace("index 2", "index -1"),
        TEXT.replace("index 2", "index ٢"),
        TEXT.replace("index 2\n", ""),
        TEXT.replace("extra ", "Extra "),
        TEXT.replace("extra bW9yZQ==", "extra bW9yZQ"),
        TEXT.replace("extra bW9yZQ==\n", "extra bW9yZQ==\nextra bW9yZQ==\n"),
        TEXT.replace("\n\n", "\nAAAA\n\n", 1),
        TEXT.replace("\n", "\r\n"),
        Proof(index=0, path=PATH * 32, note=NOTE).text(),
    ],
)
def test_malformed_proof_is_refused(text: str) -> None:
    with pytest.raises(LedgerError):
        parse(text)
