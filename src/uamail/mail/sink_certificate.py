"""A certificate that the sink makes for itself, so that a rehearsal can go through TLS."""

import ipaddress
import os
import ssl
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

# What a rehearsal connects to; nobody outside this machine gets a certificate from us.
_NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
_VALID = timedelta(days=7)


def context(file: Path, *, now: datetime) -> ssl.SSLContext:
    """A server's TLS context with a fresh key; the certificate goes to `file`, for `ca_file` of the relay.

    The key is never written beside it: it lives as long as the server.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(key, now)
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    handle, name = tempfile.mkstemp()  # 0600; the standard library loads keys from files only
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(secret)
        made.load_cert_chain(file, name)
    finally:
        Path(name).unlink()
    return made


def _signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smtp-sink of a rehearsal")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(_NAMES), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
