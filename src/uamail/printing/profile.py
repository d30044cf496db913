"""A print profile: the sheet, its window and its forbidden zones, for one country or printer."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from uamail.errors import NotFound, SettingError
from uamail.paths import CONFIG

_T = TypeVar("_T")

# A DataMatrix of 18 x 18 modules holds the longest code; one below 0.25 mm cannot be read after printing (300 dpi).
MOST_MODULES, LEAST_MODULE = 18, 0.25
# What a mark may say, hence where it is drawn: on every sheet, the first or last of a piece, all but the last, where
# the number of the other marks is odd, or where the piece's or sheet's number has that bit.
OMR_MEANINGS = (
    "always",
    "first",
    "last",
    "more",
    "even",
    "piece-1",
    "piece-2",
    "piece-4",
    "sheet-1",
    "sheet-2",
    "sheet-4",
)
# Codes and marks keep clear of what a folding machine presses and a printer cannot reach.
_FOLD_CLEARANCE, _UNPRINTABLE = 3.0, 4.0


@dataclass(frozen=True, kw_only=True)
class Rect:
    """A rectangle on page 1, in mm from the top left corner of the sheet."""

    x: float
    y: float
    w: float
    h: float
    name: str = ""

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    def meets(self, other: "Rect") -> bool:
        """Whether the two have a part in common."""
        return self.x < other.right and other.x < self.right and self.y < other.bottom and other.y < self.bottom

    def moved(self, dx: float, dy: float) -> "Rect":
        return Rect(x=self.x + dx, y=self.y + dy, w=self.w, h=self.h, name=self.name)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The paper and how the printer takes it: mm, g/m2; dx and dy calibrate one printer (right and down)."""

    width: float
    height: float
    duplex: bool
    colour: str
    paper: float
    dx: float = 0.0
    dy: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Window:
    """The address field (mm) and the letter sizes in it (pt). The top `return_line` mm belong to the sender."""

    x: float
    y: float
    w: float
    h: float
    return_line: float
    size: float
    floor: float

    @property
    def zone(self) -> Rect:
        """Where the recipient's lines stand: the field without the sender's strip."""
        top = self.return_line
        return Rect(x=self.x, y=self.y + top, w=self.w, h=self.h - top, name="address")


@dataclass(frozen=True, kw_only=True)
class Body:
    """The running text: margins and first line in mm, letter size in pt."""

    start: float
    top: float
    right: float
    bottom: float
    left: float
    size: float


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Marks at the left edge, in mm from the top; `punch` is the hole mark, 0 for none."""

    marks: tuple[float, ...] = ()
    punch: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Barcode:
    """Where the code of a sheet stands: its left and top edge and the side of one module, in mm."""

    x: float
    y: float
    module: float

    @property
    def zone(self) -> Rect:
        """The largest code that is drawn, with the quiet edge of one module round it."""
        side = (MOST_MODULES + 2) * self.module
        return Rect(x=self.x - self.module, y=self.y - self.module, w=side, h=side, name="barcode")


@dataclass(frozen=True, kw_only=True)
class Omr:
    """Marks for folding machines: their left edge, the place of the first one, length, thickness and pitch, in mm.

    `marks` says from the top what each place means; the words are those of `OMR_MEANINGS`.
    """

    x: float
    y: float
    length: float
    thickness: float
    pitch: float
    marks: tuple[str, ...]

    @property
    def zone(self) -> Rect:
        height = (len(self.marks) - 1) * self.pitch + self.thickness
        return Rect(x=self.x, y=self.y, w=self.length, h=height, name="OMR marks")


@dataclass(frozen=True, kw_only=True)
class Wrapping:
    """The envelope: whether it has a window, and which one address.pdf is printed for ("" for labels)."""

    window: bool = True
    size: str = ""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One print profile. All lengths in mm, all letter sizes in pt."""

    name: str
    title: str
    sheet: Sheet
    window: Window
    body: Body
    folds: Folds
    keep_outs: tuple[Rect, ...]
    barcode: Barcode
    omr: Omr | None
    envelope: Wrapping
    sha256: str
    """Hash of the file it was read from, for the manifest."""

    @property
    def duplex(self) -> bool:
        return self.sheet.duplex

    @property
    def shift(self) -> tuple[float, float]:
        """Calibration of the printer, mm right and down."""
        return self.sheet.dx, self.sheet.dy

    def calibrated(self, dx: float, dy: float) -> "Profile":
        """The same page moved for one printer, mm right and down, beside what the file says."""
        return replace(self, sheet=replace(self.sheet, dx=self.sheet.dx + dx, dy=self.sheet.dy + dy))


def names(*, directory: Path | None = None) -> tuple[str, ...]:
    """The profiles on offer."""
    return tuple(sorted(path.stem for path in _folder(directory).glob("*.toml")))


def load(name: str, *, directory: Path | None = None) -> Profile:
    """Read NAME.toml. Raises NotFound for an unknown name and SettingError for a wrong key or value."""
    known = names(directory=directory)
    if name not in known:
        raise NotFound(f"no print profile {name!r}; there are: {', '.join(known)}")
    raw = (_folder(directory) / f"{name}.toml").read_bytes()
    try:
        table = tomllib.loads(raw.decode("utf-8"))
    except ValueError as error:
        raise SettingError(f"print_profiles/{name}", "", f"is not TOML in UTF-8: {error}") from error
    return _checked(_built(name, table, sha256(raw).hexdigest()))


def _folder(directory: Path | None) -> Path:
    return directory if directory is not None else CONFIG / "print_profiles"


def _built(name: str, table: Mapping[str, Any], digest: str) -> Profile:
    known = {"title", "sheet", "window", "body", "folds", "keep_out", "barcode", "omr", "envelope"}
    for key in table.keys() - known:
        raise SettingError(f"{name}.{key}", table[key], f"unknown key; known are {', '.join(sorted(known))}")
    return Profile(
        name=name,
        title=str(table.get("title", name)),
        sheet=_section(Sheet, table.get("sheet", {}), f"{name}.sheet"),
        window=_section(Window, table.get("window", {}), f"{name}.window"),
        body=_section(Body, table.get("body", {}), f"{name}.body"),
        folds=_section(Folds, table.get("folds", {}), f"{name}.folds"),
        keep_outs=tuple(_section(Rect, each, f"{name}.keep_out") for each in table.get("keep_out", ())),
        barcode=_section(Barcode, table.get("barcode", {}), f"{name}.barcode"),
        omr=_section(Omr, table["omr"], f"{name}.omr") if "omr" in table else None,
        envelope=_section(Wrapping, table.get("envelope", {}), f"{name}.envelope"),
        sha256=digest,
    )


def _section(kind: type[_T], table: Any, where: str) -> _T:
    """One table as its dataclass; every key is checked for name and type."""
    if not isinstance(table, dict):
        raise SettingError(where, table, "must be a table")
    wanted = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in table.keys() - wanted.keys():
        raise SettingError(f"{where}.{key}", table[key], f"unknown key; known are {', '.join(wanted)}")
    for key, field in wanted.items():
        if key not in table and field.default is MISSING:
            raise SettingError(f"{where}.{key}", None, "is missing")
    return kind(**{key: _typed(value, wanted[key].type, f"{where}.{key}") for key, value in table.items()})


def _typed(value: Any, kind: Any, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and number:
        return float(value)
    if kind in (bool, str) and isinstance(value, kind):
        return value
    part = {tuple[float, ...]: float, tuple[str, ...]: str}.get(kind)
    if part is not None and isinstance(value, list):
        return tuple(_typed(one, part, where) for one in value)
    raise SettingError(where, value, f"must be {getattr(kind, '__name__', kind)}")


def _checked(profile: Profile) -> Profile:
    """The rules between the values: everything on the sheet, the body below the window, only K ink."""
    sheet, window, body = profile.sheet, profile.window, profile.body
    rules = (
        (sheet.colour == "k", "sheet.colour", sheet.colour, 'must be "k": letters are printed in black only'),
        (sheet.paper > 0, "sheet.paper", sheet.paper, "must be g/m2 above 0"),
        (_inside(window.zone, sheet), "window", window, "must lie on the sheet"),
        (window.floor <= window.size, "window.floor", window.floor, "must not be above window.size"),
        (window.y + window.h <= body.start, "body.start", body.start, "must be below the window"),
        (body.left + body.right < sheet.width, "body.left", body.left, "margins leave no room"),
        (body.size >= 6, "body.size", body.size, "is too small to read; 6 pt at least"),
        (all(_inside(rect, sheet) for rect in profile.keep_outs), "keep_out", "", "must lie on the sheet"),
        *_marked(profile),
    )
    for holds, key, value, remedy in rules:
        if not holds:
            raise SettingError(f"{profile.name}.{key}", value, remedy)
    return profile


def _marked(profile: Profile) -> Iterator[tuple[bool, str, object, str]]:
    """The rules for what machines read: large enough, in a margin, clear of everything else."""
    code = profile.barcode
    yield (
        code.module >= LEAST_MODULE,
        "barcode.module",
        code.module,
        f"is too small to read; {LEAST_MODULE} mm at least",
    )
    yield _clear(code.zone, profile), "barcode", code, "must stand in a margin, clear of window, keep-outs and folds"
    if profile.omr is not None:
        unknown = [word for word in profile.omr.marks if word not in OMR_MEANINGS]
        yield not unknown, "omr.marks", unknown, f"known are {', '.join(OMR_MEANINGS)}"
        free = _clear(profile.omr.zone, profile) and not profile.omr.zone.meets(code.zone)
        yield free, "omr", profile.omr, "must stand in a margin, clear of window, keep-outs, folds and barcode"


def _clear(zone: Rect, profile: Profile) -> bool:
    sheet, body = profile.sheet, profile.body
    text = Rect(x=body.left, y=body.top, w=sheet.width - body.left - body.right, h=sheet.height - body.top)
    printable = Rect(x=zone.x - _UNPRINTABLE, y=zone.y - _UNPRINTABLE, w=zone.w + 8, h=zone.h + 8)
    folds = (Rect(x=0, y=y - _FOLD_CLEARANCE, w=sheet.width, h=2 * _FOLD_CLEARANCE) for y in profile.folds.marks)
    field = Rect(x=profile.window.x, y=profile.window.y, w=profile.window.w, h=profile.window.h)
    return _inside(printable, sheet) and not any(
        zone.meets(other) for other in (text, field, *profile.keep_outs, *folds)
    )


def _inside(rect: Rect, sheet: Sheet) -> bool:
    return (
        rect.x >= 0 and rect.y >= 0 and rect.w > 0 and rect.h > 0
        and rect.right <= sheet.width and rect.bottom <= sheet.height
    )  # fmt: skip
