"""A print profile: the sheet, its window and its forbidden zones, for one country or printer."""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from uamail.errors import NotFound, SettingError
from uamail.paths import CONFIG

_T = TypeVar("_T")


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
class Profile:
    """One print profile. All lengths in mm, all letter sizes in pt."""

    name: str
    title: str
    sheet: Sheet
    window: Window
    body: Body
    folds: Folds
    keep_outs: tuple[Rect, ...]
    sha256: str
    """Hash of the file it was read from, for the manifest."""

    @property
    def duplex(self) -> bool:
        return self.sheet.duplex

    @property
    def shift(self) -> tuple[float, float]:
        """Calibration of the printer, mm right and down."""
        return self.sheet.dx, self.sheet.dy


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
    known = {"title", "sheet", "window", "body", "folds", "keep_out"}
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
    if kind == tuple[float, ...] and isinstance(value, list):
        return tuple(_typed(each, float, where) for each in value)
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
    )
    for holds, key, value, remedy in rules:
        if not holds:
            raise SettingError(f"{profile.name}.{key}", value, remedy)
    return profile


def _inside(rect: Rect, sheet: Sheet) -> bool:
    return (
        rect.x >= 0 and rect.y >= 0 and rect.w > 0 and rect.h > 0
        and rect.right <= sheet.width and rect.bottom <= sheet.height
    )  # fmt: skip
