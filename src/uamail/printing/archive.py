"""A batch's folder as one file: a zip, and that zip sealed for whoever holds the key of a certificate."""

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7EnvelopeBuilder, PKCS7Options

from uamail.errors import InputError, RuleRefused

# The oldest day that a zip knows; the real one is nobody's business, and equal folders are equal bytes.
_DAY: Final = (1980, 1, 1, 0, 0, 0)
_LEAST_BITS: Final = 2048


def zipped(files: Mapping[str, bytes], *, folder: str) -> bytes:
    """The files in a folder of that name, in order; equal input gives equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _DAY)
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return out.getvalue()


def certificate(pem: bytes, *, now: datetime) -> x509.Certificate:
    """The certificate of a PEM file. Raises InputError for another file, RuleRefused for an unfit or expired one."""
    try:
        found = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise InputError("the print house's certificate is no PEM file with an X.509 certificate") from error
    key = found.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_BITS:
        raise RuleRefused(f"the print house's certificate must have an RSA key of {_LEAST_BITS} bits or more")
    if not found.not_valid_before_utc <= now.astimezone(UTC) <= found.not_valid_after_utc:
        raise RuleRefused("the print house's certificate is expired or not valid yet: ask for a new one")
    return found


def sealed(data: bytes, recipient: x509.Certificate) -> bytes:
    """CMS EnvelopedData (RFC 5652, AES-256) in DER: `openssl cms -decrypt -inform DER -inkey KEY` opens it."""
    builder = PKCS7EnvelopeBuilder().set_data(data).add_recipient(recipient).set_content_encryption_algorithm(AES256)
    return builder.encrypt(Encoding.DER, [PKCS7Options.Binary])


def fingerprint(recipient: x509.Certificate) -> str:
    """Hex SHA-256 of a certificate, by which the record names it."""
    return sha256(recipient.public_bytes(Encoding.DER)).hexdigest()
