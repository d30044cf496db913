"""How a connection with a relay is opened: connect, greet, encrypt, log in, and never a step back."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Iterator
from typing import cast

import aiosmtplib

from uamail.errors import RelayError
from uamail.killpoint import killpoint
from uamail.mail.relay import Relay
from uamail.mail.reply import Stage, scrub


def tls_context(relay: Relay) -> ssl.SSLContext | None:
    """What TLS with this relay is checked against: its own CA file or the system's; None where it has no TLS.

    Raises RelayError when the CA file cannot be used.
    """
    if relay.tls == "none":
        return None
    try:
        return ssl.create_default_context(cafile=relay.ca_file)
    except OSError as error:
        raise RelayError(relay.name, "tls", f"the CA file cannot be read ({error.strerror})") from error


async def connect(relay: Relay, context: ssl.SSLContext | None) -> aiosmtplib.SMTP:
    """A client that is connected, greeted, encrypted and logged in. Raises RelayError with the stage that failed."""
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        local_hostname=relay.helo,
        use_tls=relay.tls == "implicit",
        start_tls=False,  # the default would go on in clear, password included, where STARTTLS is stripped
        tls_context=context,
        timeout=relay.timeouts.command,
    )
    wire: asyncio.BaseTransport | None = None
    for stage, step in _steps(client, relay):
        try:
            await step
        except BaseException as error:
            cut(client.transport or wire)
            if isinstance(error, aiosmtplib.SMTPException | OSError):
                raise _trouble(relay, stage, error) from error
            raise
        wire = client.transport
        if stray(client):
            cut(wire)
            raise RelayError(relay.name, stage, "it gave more replies than were asked for")
    return client


def cut(wire: asyncio.BaseTransport | None) -> None:
    """Closes a connection without sending what is still in its buffer."""
    if wire is not None:
        cast(asyncio.WriteTransport, wire).abort()


def stray(client: aiosmtplib.SMTP) -> bool:
    """Whether more was said than asked for; aiosmtplib would take it for the answer to the next command."""
    return client.protocol is not None and bool(client.protocol._buffer)


def cipher(client: aiosmtplib.SMTP) -> str | None:
    """TLS version and cipher, `TLSv1.3 TLS_AES_256_GCM_SHA384`; None in clear."""
    secured = client.get_transport_info("ssl_object")
    return f"{secured.version()} {secured.cipher()[0]}" if secured is not None else None


def _steps(client: aiosmtplib.SMTP, relay: Relay) -> Iterator[tuple[Stage, Awaitable[object]]]:
    waits = relay.timeouts
    yield "connect", client.connect(timeout=waits.connect)
    killpoint("connected")
    yield "helo", _greet(client)
    killpoint("after-ehlo")
    if relay.tls == "starttls":
        yield "tls", client.starttls(timeout=waits.connect)
        yield "helo", _greet(client)  # RFC 3207 4.2: what was said in clear is forgotten
    if relay.username is not None and relay.password is not None:
        yield "auth", client.login(relay.username, relay.password)


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code not in (500, 502) or not client.is_connected:  # RFC 5321 4.1.4: then HELO
            raise
        await client.helo()


def _trouble(relay: Relay, stage: Stage, error: Exception) -> RelayError:
    """The failure as an operator reads it, without addresses."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return RelayError(relay.name, "tls", f"its certificate is not accepted: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError):
        return RelayError(relay.name, "tls", f"the handshake failed: {cause.reason}")
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return RelayError(relay.name, stage, scrub(f"{error.code} {error.message}"), code=error.code)
    return RelayError(relay.name, stage, _problem(error, cause))


def _problem(error: Exception, cause: BaseException) -> str:
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return "the reply is not SMTP"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(cause, socket.gaierror):
        return cause.strerror or "its name cannot be resolved"
    if isinstance(cause, OSError):
        return os.strerror(cause.errno) if cause.errno else "the relay closed the connection"
    return scrub(str(error))
