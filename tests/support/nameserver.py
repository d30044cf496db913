"""A name server on the loopback that answers what it is told, to questions as they really travel."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[tuple[str, str], Sequence[str]]


@contextmanager
def nameserver(zone: Zone) -> Iterator[int]:
    """The port of a server of `zone`: (name, type) -> its records; other names do not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(door, zone), daemon=True)
        thread.start()
        port: int = door.getsockname()[1]
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", port))
        thread.join()


def _serve(door: socket.socket, zone: Zone) -> None:
    while True:
        data, asker = door.recvfrom(4096)
        if not data:
            return
        door.sendto(_answer(dns.message.from_wire(data), zone).to_wire(), asker)


def _answer(question: dns.message.Message, zone: Zone) -> dns.message.Message:
    told = dns.message.make_response(question, recursion_available=True)
    asked = question.question[0]
    name = asked.name.to_text(omit_final_dot=True)
    kind = dns.rdatatype.to_text(asked.rdtype)
    if (name, kind) in zone:
        told.answer.append(dns.rrset.from_text(asked.name, 60, "IN", kind, *zone[name, kind]))
    elif not any(known == name for known, _ in zone):
        told.set_rcode(dns.rcode.NXDOMAIN)
    return told
