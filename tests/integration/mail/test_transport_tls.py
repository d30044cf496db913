"""TLS to the relay is verified, is never given up, and no password ever travels in clear."""

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.postbag import Postbag, letter, run
from uamail.errors import RelayError, SettingError
from uamail.mail.envelope import Envelope, Outgoing
from uamail.mail.faults import Fault, Faults, Moment
from uamail.mail.relay import Encryption, Relay, Timeouts
from uamail.mail.sink import Sink
from uamail.mail.transport import Outcome, Transport

LETTER = Outgoing(Envelope("b-1@office.example", "governor@gov.example"), b"Message-ID: <1@x.example>\r\n\r\nHi\r\n", 1)
HERE = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
ELSEWHERE = x509.SubjectAlternativeName([x509.DNSName("relay.example")])
LOGIN = ("office", "correct horse")


class Marker:
    async def begin(self, key: int) -> None:
        assert key == 1


@dataclass(frozen=True)
class Authority:
    """A CA of our own and the server certificates it made, good and bad."""

    folder: Path

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def server(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem")
        return context


def certificate(
    name: str,
    names: x509.SubjectAlternativeName,
    *,
    days: tuple[int, int] = (-1, 2),
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
    ca: bool = False,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    today = datetime.now(UTC)
    signer = issuer[1] if issuer else key
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + timedelta(days=days[0]))
        .not_valid_after(today + timedelta(days=days[1]))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    return built.sign(signer, hashes.SHA256()), key


def save(path: Path, made: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]) -> None:
    secret = made[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made[0].public_bytes(serialization.Encoding.PEM) + secret)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("ca")
    root = certificate("Test CA", ELSEWHERE, ca=True)
    stranger = certificate("Other CA", ELSEWHERE, ca=True)
    save(folder / "ca.pem", root)
    save(folder / "good.pem", certificate("here", HERE, issuer=root))
    save(folder / "wrong-name.pem", certificate("there", ELSEWHERE, issuer=root))
    save(folder / "expired.pem", certificate("old", HERE, issuer=root, days=(-9, -2)))
    save(folder / "not-yet.pem", certificate("new", HERE, issuer=root, days=(2, 9)))
    save(folder / "self-signed.pem", certificate("alone", HERE))
    save(folder / "unknown-ca.pem", certificate("here", HERE, issuer=stranger))
    return Authority(folder)


def relay(
    port: int, ca_file: str | None, *, tls: Encryption = "starttls", login: tuple[str, str] | None = None
) -> Relay:
    return Relay(
        name="main",
        host="127.0.0.1",
        port=port,
        helo="office.example",
        tls=tls,
        username=login[0] if login else None,
        password=login[1] if login else None,
        timeouts=Timeouts(connect=5, command=5),
        ca_file=ca_file,
    )


async def send(there: Relay) -> Outcome:
    async with Transport() as transport:
        return await transport.send(LETTER, relay=there, intent=Marker())


async def refused(there: Relay) -> RelayError:
    with pytest.raises(RelayError) as caught:
        await send(there)
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_good_certificate_is_accepted(authority: Authority, tls: Encryption, host: str) -> None:
    async with Sink(tls=authority.server("good"), implicit=tls == "implicit", login=LOGIN) as sink:
        told = await send(replace(relay(sink.port, authority.file, tls=tls, login=LOGIN), host=host))

        assert told.kind == "accepted"
        assert told.tls is not None
        assert told.tls.startswith("TLSv1.3 TLS_")
        assert list(sink.logins) == [("office", True)]
        assert set(sink.commands) >= {"EHLO office.example"}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("self-signed", "self-signed"),
        ("wrong-name", "IP address mismatch"),
        ("expired", "expired"),
        ("not-yet", "not yet valid"),
        ("unknown-ca", "unable to get local issuer"),
    ],
)
async def test_bad_certificate_is_refused(authority: Authority, tls: Encryption, name: str, words: str) -> None:
    async with Sink(tls=authority.server(name), implicit=tls == "implicit", login=LOGIN) as sink:
        trouble = await refused(relay(sink.port, authority.file, tls=tls, login=LOGIN))

        assert (trouble.stage, len(sink.received), list(sink.logins)) == ("tls", 0, [])
        assert words in trouble.problem.replace("self signed", "self-signed")


async def test_system_authorities_do_not_know_ours(authority: Authority) -> None:
    async with Sink(tls=authority.server("good")) as sink:
        trouble = await refused(relay(sink.port, None))

        assert (trouble.stage, len(sink.received)) == ("tls", 0)


async def test_stripped_starttls_is_refused(authority: Authority) -> None:
    async with Sink(login="any") as sink:
        trouble = await refused(relay(sink.port, authority.file, login=LOGIN))

        assert (trouble.stage, "STARTTLS" in trouble.problem) == ("tls", True)
        assert (list(sink.logins), len(sink.received)) == ([], 0)
        assert list(sink.commands) == ["EHLO office.example"]


@pytest.mark.parametrize(
    "fault", [Fault("tls", "reply", 454), Fault("tls", "drop"), Fault("tls", "garbage")], ids=lambda f: f.act
)
async def test_failed_starttls_is_no_way_round(authority: Authority, fault: Fault) -> None:
    async with Sink(tls=authority.server("good"), login="any", faults=Faults.always(fault)) as sink:
        trouble = await refused(relay(sink.port, authority.file, login=LOGIN))

        assert (trouble.stage, trouble.code) == ("tls", fault.code or None)
        assert (list(sink.logins), len(sink.received)) == ([], 0)


async def test_plaintext_before_handshake_is_ignored(authority: Authority) -> None:
    injected = Faults.always(Fault("tls", "double"))

    async with Sink(tls=authority.server("good"), login=LOGIN, faults=injected) as sink:
        told = await send(relay(sink.port, authority.file, login=LOGIN))

        assert (told.kind, list(sink.logins)) == ("accepted", [("office", True)])


@pytest.mark.parametrize("lines", [[b"220 hi\r\n", b"250-hi\r\n250 STARTTLS\r\n", b"220 go\r\n"]])
async def test_aborted_handshake_is_refused(authority: Authority, lines: list[bytes]) -> None:
    port, stop = await impostor(lines)

    trouble = await refused(relay(port, authority.file, login=LOGIN))
    await stop()

    assert trouble.stage == "tls"


async def test_implicit_tls_with_plain_server_is_refused(authority: Authority) -> None:
    async with Sink(login="any") as sink:
        trouble = await refused(relay(sink.port, authority.file, tls="implicit", login=LOGIN))

        assert (trouble.stage, list(sink.logins), list(sink.commands)) == ("tls", [], [])


async def test_wrong_password_blames_the_relay(authority: Authority) -> None:
    async with Sink(tls=authority.server("good"), login=("office", "other")) as sink:
        trouble = await refused(relay(sink.port, authority.file, login=LOGIN))

        assert (trouble.stage, trouble.code, len(sink.received)) == ("auth", 535, 0)
        assert {secure for _, secure in sink.logins} == {True}
        assert LOGIN[1] not in str(trouble)


async def test_login_not_offered_blames_the_relay(authority: Authority) -> None:
    async with Sink(tls=authority.server("good")) as sink:
        trouble = await refused(relay(sink.port, authority.file, login=LOGIN))

        assert (trouble.stage, len(sink.received)) == ("auth", 0)


async def test_password_in_clear_is_for_loopback_only() -> None:
    async with Sink(login=LOGIN) as sink:
        told = await send(relay(sink.port, None, tls="none", login=LOGIN))

        assert (told.kind, list(sink.logins)) == ("accepted", [("office", False)])
        with pytest.raises(SettingError, match="in clear"):
            replace(relay(sink.port, None, tls="none", login=LOGIN), host="relay.example")


async def test_missing_authority_file_blames_the_relay(tmp_path: Path) -> None:
    trouble = await refused(relay(25, str(tmp_path / "none.pem")))

    assert (trouble.stage, "CA file" in trouble.problem) == ("tls", True)


async def test_encrypted_connection_is_reused(authority: Authority) -> None:
    async with Sink(tls=authority.server("good")) as sink, Transport() as transport:
        there = relay(sink.port, authority.file)
        told = [await transport.send(LETTER, relay=there, intent=Marker()) for _ in range(5)]

        assert {t.kind for t in told} == {"accepted"}
        assert (sink.connections, len(sink.received)) == (1, 5)


@pytest.mark.parametrize("keeps", [True, False])
async def test_drop_after_dot_is_uncertain_under_tls(authority: Authority, keeps: bool) -> None:
    plan = Faults.always(Fault("body", "drop", keeps=keeps))

    async with Sink(tls=authority.server("good"), faults=plan) as sink:
        told = await send(relay(sink.port, authority.file))

        assert (told.kind, len(sink.received)) == ("uncertain", int(keeps))


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_stream_is_encrypted_and_pipelined(authority: Authority, tls: Encryption) -> None:
    bag = Postbag(letter(key) for key in range(40))

    async with Sink(tls=authority.server("good"), implicit=tls == "implicit", login=LOGIN) as sink:
        error = await run(bag, replace(relay(sink.port, authority.file, tls=tls, login=LOGIN), max_connections=2))

        assert (error, bag.kinds()) == (None, dict.fromkeys(range(40), "accepted"))
        assert {(one.tls or "")[:7] for one in bag.told} == {"TLSv1.3"}
        assert {secure for _, secure in sink.logins} == {True}
        assert len(sink.received) == 40


@pytest.mark.parametrize("name", ["self-signed", "wrong-name", "expired", "not-yet", "unknown-ca"])
async def test_bad_certificate_stops_a_run(authority: Authority, name: str) -> None:
    bag = Postbag(letter(key) for key in range(5))

    async with Sink(tls=authority.server(name), login=LOGIN) as sink:
        error = await run(bag, relay(sink.port, authority.file, login=LOGIN))

        assert error is not None
        assert (error.stage, bag.told, len(bag.waiting)) == ("tls", [], 5)
        assert (len(sink.received), list(sink.logins)) == (0, [])


async def test_stripped_starttls_stops_a_run(authority: Authority) -> None:
    bag = Postbag(letter(key) for key in range(5))

    async with Sink(login="any") as sink:
        error = await run(bag, relay(sink.port, authority.file, login=LOGIN))

        assert error is not None
        assert (error.stage, bag.told, list(sink.commands)) == ("tls", [], ["EHLO office.example"])


async def test_missing_authority_file_stops_a_run(tmp_path: Path) -> None:
    bag = Postbag([letter(1)])

    error = await run(bag, relay(25, str(tmp_path / "none.pem")))

    assert error is not None
    assert (error.stage, bag.told) == ("tls", [])


async def test_replies_put_in_before_the_handshake_count_for_nothing(authority: Authority) -> None:
    """A whole dialogue in clear behind the 220, as if our letters had been accepted (CVE-2011-0411, turned round)."""
    forged = b"220 go\r\n250-hi\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n"
    port, stop = await impostor([b"220 hi\r\n", b"250-hi\r\n250 STARTTLS\r\n", forged])
    bag = Postbag(letter(key) for key in range(3))

    error = await run(bag, relay(port, authority.file))
    await stop()

    assert error is not None
    assert (error.stage, bag.told, bag.notes) == ("tls", [], [])


@pytest.mark.parametrize("keeps", [True, False])
async def test_drop_in_an_encrypted_stream_is_told_exactly(authority: Authority, keeps: bool) -> None:
    class Second(Faults):
        def pick(self, moment: Moment) -> Fault | None:
            return Fault("body", "drop", keeps=keeps) if moment.stage == "body" and "<2@" in moment.who else None

    bag = Postbag(letter(key) for key in (1, 2, 3))
    async with Sink(tls=authority.server("good"), faults=Second()) as sink:
        await run(bag, replace(relay(sink.port, authority.file), max_connections=1))

        assert bag.places() == {1: ("accepted", "body"), 2: ("uncertain", "body"), 3: ("unsent", "mail")}
        assert len(sink.received) == 1 + keeps


async def test_early_acceptance_under_tls_is_uncertain(authority: Authority) -> None:
    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in (b"220 hi", b"250-hi\r\n250 PIPELINING", b"250 ok\r\n250 ok\r\n354 go"):
            writer.write(line + b"\r\n")
            await reader.read(1000)
        writer.write(b"250 ok\r\n")
        over.add_done_callback(lambda _: writer.transport.abort())

    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(hasty, "127.0.0.1", 0, ssl=authority.server("good"))
    bag = Postbag([letter(1, b"x" * 76 * 400_000)])

    await run(bag, relay(server.sockets[0].getsockname()[1], authority.file, tls="implicit"))
    over.set_result(None)
    server.close()
    await server.wait_closed()

    assert bag.kinds() == {1: "uncertain"}


async def impostor(lines: list[bytes]) -> tuple[int, Callable[[], Awaitable[None]]]:
    """A server that says its lines, one for each it hears, and leaves; its port and how to stop it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for line in lines:
            writer.write(line)
            await writer.drain()
            await reader.read(1000)
        writer.close()

    async def stop() -> None:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1], stop
