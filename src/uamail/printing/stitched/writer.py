"""A PDF written as a stream: each object leaves at once, only their places stay in memory (ISO 32000-1 7.5)."""

import hashlib
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Final

import pikepdf

_HEADER: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_GROUP: Final = 200  # objects in one object stream: a reader unpacks all of them to see one
_LEVEL: Final = 6
_PLAIN, _PACKED = 1, 2  # how the cross-reference stream says where an object is (7.5.8.3)


class Writer:
    """Writes objects to `out`, which need not be seekable; equal calls give equal bytes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._place = 0
        self._hash = hashlib.sha256()
        self._kinds, self._places, self._indexes = bytearray([0]), array("Q", [0]), array("H", [65535])
        self._waiting: list[tuple[int, bytes]] = []
        self._write(_HEADER)

    def number(self) -> int:
        """A number for an object that is written later."""
        self._kinds.append(0)
        self._places.append(0)
        self._indexes.append(0)
        return len(self._kinds) - 1

    def small(self, body: bytes, number: int | None = None) -> int:
        """An object that is not a stream; it is packed with others. Returns its number."""
        number = self.number() if number is None else number
        self._waiting.append((number, body))
        if len(self._waiting) >= _GROUP:
            self._pack()
        return number

    def stream(self, data: bytes, entries: bytes = b"", number: int | None = None) -> int:
        """A stream, compressed; `entries` are those of its dictionary besides length and filter."""
        packed = zlib.compress(data, _LEVEL)
        return self.raw(packed, entries + b"/Filter/FlateDecode", number)

    def raw(self, data: bytes, entries: bytes, number: int | None = None) -> int:
        """A stream whose data are encoded already, as its `entries` say."""
        number = self.number() if number is None else number
        self._object(number, b"<<%b/Length %d>>stream\n%b\nendstream" % (entries, len(data), data))
        return number

    def finish(self, root: int) -> None:
        """The places of all objects, and the end of the file."""
        self._pack()
        number = self.number()
        self._kinds[number], self._places[number] = _PLAIN, self._place
        start, digest = self._place, self._hash.hexdigest()[:32].encode()
        rows = zlib.compress(self._rows(), _LEVEL)
        self._write(
            b"%d 0 obj\n<</Type/XRef/Size %d/W[1 5 2]/Root %d 0 R/ID[<%b><%b>]"
            b"/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 8>>/Length %d>>stream\n%b\nendstream\nendobj\n"
            b"startxref\n%d\n%%%%EOF\n" % (number, len(self._kinds), root, digest, digest, len(rows), rows, start)
        )

    def _rows(self) -> bytes:
        """The cross-reference table, each row as its difference from the one above (PNG filter "Up")."""
        columns = [bytes(self._kinds)]
        columns += [bytes(place >> shift & 255 for place in self._places) for shift in (32, 24, 16, 8, 0)]
        columns += [bytes(index >> shift & 255 for index in self._indexes) for shift in (8, 0)]
        out = bytearray(b"\x02") * (9 * len(self._kinds))
        for place, column in enumerate(columns, 1):
            above = b"\x00" + column[:-1]
            out[place::9] = bytes((one - other) & 255 for one, other in zip(column, above, strict=True))
        return bytes(out)

    def _pack(self) -> None:
        if not self._waiting:
            return
        packer, heads, bodies, offset = self.number(), [], [], 0
        for index, (number, body) in enumerate(self._waiting):
            self._kinds[number], self._places[number], self._indexes[number] = _PACKED, packer, index
            heads.append(b"%d %d" % (number, offset))
            bodies.append(body)
            offset += len(body) + 1
        self._waiting, head = [], b" ".join(heads) + b"\n"
        self.stream(head + b"\n".join(bodies), b"/Type/ObjStm/N %d/First %d" % (len(bodies), len(head)), packer)

    def _object(self, number: int, body: bytes) -> None:
        self._kinds[number], self._places[number] = _PLAIN, self._place
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._hash.update(data)
        self._place += len(data)


class Copier:
    """Brings objects of another PDF over, each once, with all they refer to."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._known: dict[tuple[int, int], int] = {}

    def bring(self, value: Any) -> int:
        """The number here of an indirect object there."""
        known = self._known.get(value.objgen)
        if known is not None:
            return known
        number = self._known[value.objgen] = self._writer.number()
        if isinstance(value, pikepdf.Stream):
            entries = self.entries(value.stream_dict, leaving={"/Length"})
            self._writer.raw(value.read_raw_bytes(), entries, number)
        else:
            self._writer.small(self._direct(value), number)
        return number

    def text(self, value: Any) -> bytes:
        """The value as it is written here."""
        if isinstance(value, pikepdf.Object) and value.is_indirect:
            return b"%d 0 R" % self.bring(value)
        return self._direct(value)

    def _direct(self, value: Any) -> bytes:
        if isinstance(value, pikepdf.Dictionary):
            return b"<<%b>>" % self.entries(value)
        if isinstance(value, pikepdf.Array):
            return b"[%b]" % b" ".join(self.text(one) for one in value)
        if isinstance(value, bool):
            return b"true" if value else b"false"
        return value.unparse() if isinstance(value, pikepdf.Object) else str(value).encode()

    def entries(self, found: Any, *, leaving: Iterable[str] = ()) -> bytes:
        """What is in a dictionary, without the entries left out."""
        rows: Mapping[str, Any] = {key: found[key] for key in found.keys() if key not in leaving}  # noqa: SIM118
        return b"".join(b"%b %b" % (key.encode(), self.text(value)) for key, value in sorted(rows.items()))


def references(numbers: Sequence[int]) -> bytes:
    """An array of references to objects."""
    return b"[%b]" % b" ".join(b"%d 0 R" % number for number in numbers)
