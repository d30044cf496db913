"""How the columns of one source system become the fields of a signature: data, read from a TOML file."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from uamail.errors import NotFound, SettingError, SignatureFileError
from uamail.importing.table import Row
from uamail.paths import CONFIG

FIELDS = (
    "external_id",
    "name",
    "given_name",
    "family_name",
    "email",
    "country",
    "address",
    "postcode",
    "locality",
    "language",
    "body",
    "disclosure",
    "consent",
    "contact",
    "reply",
    "signed_at",
)
_SECTIONS = frozenset({"profile", "columns", "constants", "values"})
# These scripts write the family name first and nothing between the two.
_CLOSED = re.compile("[\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+")


@dataclass(frozen=True)
class Columns:
    """Where each field stands in one header; `unknown` are the columns that no field wants."""

    places: Mapping[str, int]
    names: Mapping[str, str]
    unknown: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Profile:
    """A source system: `columns` maps a field to the header names it may have, `values` a field's words to ours.

    `constants` stand for columns that the source does not have. `source` goes into the key of every signature.
    """

    name: str
    source: str
    columns: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # What people are asked there before they sign, word for word.
    wording: str = ""

    def match(self, header: Sequence[str], *, file: str) -> Columns:
        """The columns of `header`; raises SignatureFileError when a required one is missing or a field has two."""
        wanted = {_plain(alias): name for name, aliases in self.columns.items() for alias in aliases}
        places: dict[str, int] = {}
        unknown = []
        for place, title in enumerate(header):
            name = wanted.get(_plain(title))
            if name in places:
                raise _doubled(file, name, header[places[name]], title)
            if name is not None:
                places[name] = place
            elif title.strip():
                unknown.append(title)
        self._complete(places, header, file)
        return Columns(places, {name: header[place] for name, place in places.items()}, tuple(unknown))

    def _complete(self, places: Mapping[str, int], header: Sequence[str], file: str) -> None:
        given = {*places, *self.constants}
        if {"given_name", "family_name"} <= given:
            given.add("name")
        missing = [name for name in self.required if name not in given]
        if missing:
            found = ", ".join(header)[:500]
            raise SignatureFileError(
                file,
                f"it has no column for {', '.join(missing)}; its header is: {found}",
                "Add the column, or choose another --profile",
            )

    def cells(self, row: Row) -> dict[str, str]:
        """The fields of a row as text, constants and words of the source already replaced."""
        columns = _matched(self, row.header)
        found = dict(self.constants)
        for name, place in columns.places.items():
            text = row.cells[place]
            words = self.values.get(name)
            found[name] = words.get(text.strip().casefold(), text) if words else text
        if not found.get("name", "").strip():
            found["name"] = joined_name(found.get("given_name", ""), found.get("family_name", ""))
        return found

    def column(self, name: str, header: tuple[str, ...]) -> str:
        """What the file calls a field, for a message to the operator."""
        return _matched(self, header).names.get(name, name)


@lru_cache(maxsize=8)
def _matched(profile: Profile, header: tuple[str, ...]) -> Columns:
    return profile.match(header, file=profile.name)


def joined_name(given: str, family: str) -> str:
    """Both parts as one name: given name first, in Chinese, Japanese and Korean script family name first, unspaced."""
    given, family = given.strip(), family.strip()
    if _CLOSED.fullmatch(given) and _CLOSED.fullmatch(family):
        return family + given
    return f"{given} {family}".strip()


def load(name_or_path: str | Path, *, folder: Path | None = None) -> Profile:
    """A shipped profile by its name, one of `folder` (searched first), or any TOML file by its path.

    Raises NotFound, and SettingError naming key, value and remedy when the file is wrong.
    """
    path = _found(str(name_or_path), folder)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(path.name, str(error), "correct the TOML") from error
    _expect(set(data) <= _SECTIONS, path.name, sorted(set(data) - _SECTIONS), f"only {sorted(_SECTIONS)} are known")
    head = data.get("profile", {})
    return Profile(
        name=_word(head, "name"),
        source=_word(head, "source"),
        required=_fields("profile.required", head.get("required", [])),
        columns=_columns(data.get("columns", {})),
        constants=_constants(data.get("constants", {})),
        values=_values(data.get("values", {})),
        wording=_wording(head.get("wording", "")),
    )


def _found(name: str, folder: Path | None) -> Path:
    if name.endswith(".toml") or "/" in name:
        candidates = [Path(name)]
    else:
        folders = [part for part in (folder, CONFIG / "import_profiles") if part is not None]
        candidates = [part / f"{name}.toml" for part in folders]
    for path in candidates:
        if path.is_file():
            return path
    raise NotFound(f"there is no import profile {name}; they are files in {candidates[-1].parent}")


def _columns(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    _fields("columns", list(data))
    seen: dict[str, str] = {}
    for name, aliases in data.items():
        listed = isinstance(aliases, list) and all(isinstance(alias, str) for alias in aliases)
        _expect(listed, f"columns.{name}", aliases, "a list of header names")
        for alias in aliases:
            _expect(seen.setdefault(_plain(alias), name) == name, f"columns.{name}", alias, "it names two fields")
    return {name: tuple(aliases) for name, aliases in data.items()}


def _constants(data: Mapping[str, Any]) -> dict[str, str]:
    _fields("constants", list(data))
    # Nobody consents by being in a file.
    _expect("consent" not in data, "constants.consent", data.get("consent"), "consent must come from a column")
    for name, text in data.items():
        _expect(isinstance(text, str), f"constants.{name}", text, "a text in quotes")
    return dict(data)


def _values(data: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    _fields("values", list(data))
    for name, words in data.items():
        mapped = isinstance(words, dict) and all(isinstance(word, str) for word in words.values())
        _expect(mapped, f"values.{name}", words, "a table of texts")
    return {name: {word.strip().casefold(): ours for word, ours in words.items()} for name, words in data.items()}


def _wording(text: object) -> str:
    _expect(isinstance(text, str), "profile.wording", text, "a text in quotes")
    return str(text)


def _word(head: Mapping[str, Any], key: str) -> str:
    text = head.get(key)
    _expect(isinstance(text, str) and text != "", f"profile.{key}", text, "a text in quotes")
    return str(text)


def _fields(key: str, names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        _expect(name in FIELDS, key, name, f"one of {', '.join(FIELDS)}")
    return tuple(names)


def _expect(right: bool, key: str, value: object, remedy: str) -> None:
    if not right:
        raise SettingError(key, value, remedy)


def _doubled(file: str, name: str, first: str, second: str) -> SignatureFileError:
    problem = f"the columns {first!r} and {second!r} are both {name}"
    return SignatureFileError(file, problem, "Remove or rename one of them")


def _plain(title: str) -> str:
    """Header names are compared without case, and with spaces, hyphens and underscores alike."""
    return re.sub(r"[\s_-]+", "_", title.strip().casefold())
