"""Address labels and envelopes: where each address stands, and how large."""

import io
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import chain, groupby, repeat
from pathlib import Path
from typing import Any, TypeVar

import pikepdf

from uamail.errors import NotFound, SettingError
from uamail.paths import CONFIG
from uamail.printing import fonts
from uamail.printing.fitting import LEADING, Fitted, fit, row_height
from uamail.printing.postal import AddressLine

_Stock = TypeVar("_Stock", "Sheet", "Envelope")
Pair = tuple[float, float]

# Labels are cut with up to 1.5 mm of play.
_MARGIN = 2.0
_SENDER_SIZE, _SENDER_FLOOR = 6.5, 5.0
_SENDER_GAP = 1.2
# One size under two names.
_SAME = {"C5/6": "C6/5", "10": "#10"}
# The sender of an envelope, mm: clear of the franking zone, which is 74 mm wide at the right.
_ENVELOPE_SENDER = (10.0, 8.0)
_FRANKING_WIDTH = 76.0


@dataclass(frozen=True)
class Sheet:
    """A sheet of labels: sizes, pitch and first corner in mm, `grid` in columns and rows, letter sizes in pt."""

    title: str
    page: Pair
    label: Pair
    grid: tuple[int, int]
    pitch: Pair
    first: Pair
    size: float
    floor: float

    @property
    def capacity(self) -> int:
        return self.grid[0] * self.grid[1]

    def corner(self, number: int) -> Pair:
        """Left and top edge in mm of label `number`, counted row by row from 1."""
        row, column = divmod(number - 1, self.grid[0])
        return self.first[0] + column * self.pitch[0], self.first[1] + row * self.pitch[1]


@dataclass(frozen=True)
class Envelope:
    """An envelope lying on its back: `address` is x, y, width and height in mm of the field for the address."""

    title: str
    page: Pair
    address: tuple[float, float, float, float]
    size: float
    floor: float


@dataclass(frozen=True)
class Label:
    """One address as printed, how many times, and the sender's line above it ("" for none)."""

    lines: tuple[AddressLine, ...]
    copies: int = 1
    sender: str = ""
    sender_language: str = "en"


def sheet(name: str, *, file: Path | None = None) -> Sheet:
    """The label sheet of that name in label_sheets.toml. Raises NotFound or SettingError."""
    return _stock(Sheet, "sheets", name, file or CONFIG / "label_sheets.toml")


def envelope(name: str, *, file: Path | None = None) -> Envelope:
    """The envelope of that name in label_sheets.toml. Raises NotFound or SettingError."""
    return _stock(Envelope, "envelopes", _SAME.get(name, name), file or CONFIG / "label_sheets.toml")


def sheet_context(
    labels: Sequence[Label], *, sheet: Sheet, start: int = 1, dx: float = 0.0, dy: float = 0.0, outlines: bool = False
) -> dict[str, Any]:
    """Plain data for print/label.html: each different page once, with the times it is printed in "repeats".

    `start` is the first free label of the first sheet; dx and dy (mm, right and down) calibrate one printer;
    `outlines` draws the edges of every label, to hold against a real sheet. Raises ValueError for a start that is not
    on the sheet, PrintError for an address that does not fit.
    """
    if not 1 <= start <= sheet.capacity:
        raise ValueError(f"start is {start}, but {sheet.title} has labels 1 to {sheet.capacity}")
    settings = [_setting(label, sheet) for label in labels]
    places = [(sheet.corner(slot), sheet.label) for slot in range(1, sheet.capacity + 1)]
    edges = _edges(places, (dx, dy)) if outlines else []
    pages, repeats = [], []
    for page, same in groupby(_pages(labels, sheet.capacity, start)):
        texts = chain.from_iterable(_placed(settings[index], sheet, slot, (dx, dy)) for slot, index in page)
        pages.append({"texts": list(texts), "edges": edges})
        repeats.append(sum(1 for _ in same))
    return {"width": sheet.page[0], "height": sheet.page[1], "pages": pages, "repeats": repeats}


def envelope_context(
    labels: Sequence[Label], *, envelope: Envelope, dx: float = 0.0, dy: float = 0.0, outlines: bool = False
) -> dict[str, Any]:
    """Plain data for print/envelope.html: one page for each address, with its copies in "repeats"."""
    edges = _edges([(envelope.address[:2], envelope.address[2:])], (dx, dy)) if outlines else []
    pages = [{"texts": _addressed(label, envelope, (dx, dy)), "edges": edges} for label in labels]
    repeats = [label.copies for label in labels]
    return {"width": envelope.page[0], "height": envelope.page[1], "pages": pages, "repeats": repeats}


def collate(pdf: bytes, repeats: Sequence[int]) -> bytes:
    """The PDF with page n repeated repeats[n] times, sharing its content: thousands of equal sheets stay small.

    Raises ValueError when there is not one number for each page.
    """
    with pikepdf.open(io.BytesIO(pdf)) as source:
        pages = list(source.pages)
        if len(pages) != len(repeats):
            raise ValueError(f"{len(pages)} pages, but {len(repeats)} numbers of copies")
        del source.pages[:]
        for page, times in zip(pages, repeats, strict=True):
            source.pages.extend(repeat(page, times))
        out = io.BytesIO()
        # An id from the content alone: equal labels are equal bytes.
        source.save(out, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return out.getvalue()


@lru_cache
def _tables(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text("utf-8"))


def _stock(kind: type[_Stock], group: str, name: str, file: Path) -> _Stock:
    known = _tables(file).get(group, {})
    if name not in known:
        raise NotFound(f"no {name!r} among the {group}; there are: {', '.join(known)}")
    table: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in known[name].items()
    }
    wanted = [field.name for field in fields(kind)]
    for key in set(wanted) ^ table.keys():
        raise SettingError(f"{group}.{name}.{key}", table.get(key), f"the keys must be {', '.join(wanted)}")
    return kind(**table)


def _pages(labels: Sequence[Label], capacity: int, start: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Page by page, which label (by its index) stands in which slot; only the first page begins later."""
    copies = chain.from_iterable(repeat(index, label.copies) for index, label in enumerate(labels))
    page: list[tuple[int, int]] = []
    slot = start
    for index in copies:
        page.append((slot, index))
        slot += 1
        if slot > capacity:
            yield tuple(page)
            page, slot = [], 1
    if page:
        yield tuple(page)


def _edges(places: Sequence[tuple[Pair, Pair]], shift: Pair) -> list[dict[str, float]]:
    return [{**_corner(corner, shift), "width": size[0], "height": size[1]} for corner, size in places]


def _corner(corner: Pair, shift: Pair) -> dict[str, float]:
    return {"x": round(corner[0] + shift[0], 3), "y": round(corner[1] + shift[1], 3)}


def _setting(label: Label, sheet: Sheet) -> tuple[Fitted | None, Fitted]:
    """The sender's row, if any, and the address below it."""
    width, height = (side - 2 * _MARGIN for side in sheet.label)
    sender = _sender(label, width)
    below = height - _taken(sender)
    return sender, fit(label.lines, width=width, height=below, size=sheet.size, floor=sheet.floor)


def _taken(sender: Fitted | None) -> float:
    return sender.height + _SENDER_GAP if sender else 0.0


def _placed(setting: tuple[Fitted | None, Fitted], sheet: Sheet, slot: int, shift: Pair) -> list[dict[str, Any]]:
    sender, address = setting
    left, top = (edge + _MARGIN for edge in sheet.corner(slot))
    # What is left over is divided: an address looks right a little above the middle.
    spare = sheet.label[1] - 2 * _MARGIN - _taken(sender) - address.height
    texts = [_text(sender, "sender", (left, top), shift)] if sender else []
    return [*texts, _text(address, "address", (left, top + _taken(sender) + spare * 0.45), shift)]


def _addressed(label: Label, envelope: Envelope, shift: Pair) -> list[dict[str, Any]]:
    x, y, width, height = envelope.address
    sender = _sender(label, envelope.page[0] - _ENVELOPE_SENDER[0] - _FRANKING_WIDTH)
    address = fit(label.lines, width=width, height=height, size=envelope.size, floor=envelope.floor)
    texts = [_text(sender, "sender", _ENVELOPE_SENDER, shift)] if sender else []
    return [*texts, _text(address, "address", (x, y), shift)]


def _sender(label: Label, width: float) -> Fitted | None:
    if not label.sender:
        return None
    line = AddressLine(label.sender, label.sender_language, "Zyyy")
    return fit([line], width=width, height=2 * row_height(_SENDER_SIZE), size=_SENDER_SIZE, floor=_SENDER_FLOOR)


def _text(fitted: Fitted, kind: str, corner: Pair, shift: Pair) -> dict[str, Any]:
    rows = [_row(row.text, row.line, row.continued) for row in fitted.rows]
    return {**_corner(corner, shift), "kind": kind, "size": fitted.size, "leading": LEADING, "rows": rows}


def _row(text: str, line: AddressLine, continued: bool) -> dict[str, Any]:
    return {
        "text": text,
        "lang": line.lang,
        "direction": fonts.direction(line.lang),
        "families": ", ".join(f"'{family}'" for family in fonts.names(line.lang)),
        "continued": continued,
    }
