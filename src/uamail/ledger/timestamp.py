"""Time stamps (RFC 3161): an outside authority signs when it saw a checkpoint. Needs the extra "anchor"."""

from datetime import UTC, datetime
from types import ModuleType

from cryptography import x509

from uamail.errors import CannotCheck, InputError, LedgerError

QUERY_TYPE = "application/timestamp-query"


def query(message: bytes) -> bytes:
    """The request for a time stamp over SHA-512 of the message, which asks for the authority's certificate."""
    client = _client()
    made: bytes = client.TimestampRequestBuilder().data(message).cert_request(cert_request=True).build().as_bytes()
    return made


def stamped_at(token: bytes, message: bytes, *, roots: bytes) -> datetime:
    """When the authority saw the message, by its response and its root certificates (PEM).

    Raises LedgerError when the response is not good for this message or not from that authority.
    """
    client = _client()
    try:
        authorities = x509.load_pem_x509_certificates(roots)
    except ValueError as error:
        raise InputError("the authority's certificate cannot be read: PEM is expected") from error
    try:
        response = client.decode_timestamp_response(token)
        builder = client.VerifierBuilder()
        for one in authorities:
            builder = builder.add_root_certificate(one)
        builder.build().verify_message(response, message)
    except (ValueError, client.VerificationError) as error:
        raise LedgerError(f"the time stamp does not hold: {error}") from error
    at: datetime = response.tst_info.gen_time
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _client() -> ModuleType:
    try:
        import rfc3161_client
    except ImportError as error:
        raise CannotCheck('time stamps need rfc3161-client: pip install "uamail[anchor]"') from error
    return rfc3161_client
