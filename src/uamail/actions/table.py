"""One table of an action file that knows its dotted key, so that every complaint can name it."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from typing import TypeAlias

from uamail.actions import checks
from uamail.errors import ActionFileError

# Returns the normalised value or raises ValueError with the remedy.
Check: TypeAlias = Callable[[str], str]

# Appeals began in 1973; years outside are slips of the pen (0202, 20222).
_YEARS = range(1973, 2200)


class Table:
    """Typed reading of one TOML table; every method raises ActionFileError with file, dotted key, value and remedy."""

    def __init__(self, data: Mapping[str, object], *, file: str, key: str = "", known: Collection[str]) -> None:
        self.data, self.file, self.key = data, file, key
        for name in data:
            if name not in known:
                raise self.wrong(name, data[name], f"this key is not known; {checks.nearest(name, known)}")

    def wrong(self, name: str, value: object, remedy: str) -> ActionFileError:
        return ActionFileError(self.file, self._dotted(name), value, remedy)

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def text(self, name: str, check: Check = checks.line) -> str:
        return self._checked(name, self._needed(name), check)

    def text_or_none(self, name: str, check: Check = checks.line) -> str | None:
        return self.text(name, check) if name in self else None

    def texts(self, name: str, check: Check = checks.line, *, least: int = 0) -> tuple[str, ...]:
        """The list of texts under `name`; `least` of them must be there."""
        values = self._list(name)
        if len(values) < least:
            raise self.wrong(name, values or None, f"write at least {least}, as a list of texts")
        return tuple(self._checked(f"{name}[{at}]", value, check) for at, value in enumerate(values))

    def by_language(self, name: str, check: Check = checks.line, *, needed: bool = False) -> dict[str, str]:
        """Texts by BCP 47 tag; `needed` asks for at least one."""
        found: dict[str, str] = {}
        for tag, value in self._mapping(name, needed=needed).items():
            language = self._checked(f"{name}.{tag}", tag, checks.language)
            if language in found:
                raise self.wrong(f"{name}.{tag}", value, f"{language} is there twice; keep one")
            found[language] = self._checked(f"{name}.{tag}", value, check)
        return found

    def by_script(self, name: str) -> dict[str, tuple[str, ...]]:
        """Lists of lines by ISO 15924 script, at least one script with one line."""
        tables = self._mapping(name, needed=True)
        scripts = [self._checked(f"{name}.{tag}", tag, checks.script) for tag in tables]
        inner = Table(tables, file=self.file, key=self._dotted(name), known=tables)
        return {script: inner.texts(script, least=1) for script in scripts}

    def choice(self, name: str, among: Collection[str], *, default: str | None = None) -> str:
        if name not in self and default is not None:
            return default
        return self.text(name, one_of(among))

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.data.get(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, value, "write true or false, without quotes")
        return value

    def count(self, name: str, *, default: int) -> int:
        """A whole number from 1."""
        value = self.data.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(name, value, "write a whole number from 1, without quotes")
        return value

    def day(self, name: str) -> date:
        value = self._needed(name)
        # A TOML date-time is a date to Python; here only whole days have a meaning.
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.wrong(name, value, "write a day like 2022-09-23, without quotes and time")
        if value.year not in _YEARS:
            raise self.wrong(name, value, f"write a year from {_YEARS.start} to {_YEARS.stop - 1}")
        return value

    def day_or_none(self, name: str) -> date | None:
        return self.day(name) if name in self else None

    def table(self, name: str, *, known: Collection[str]) -> "Table":
        value = self._mapping(name, needed=True)
        return Table(value, file=self.file, key=self._dotted(name), known=known)

    def table_or_none(self, name: str, *, known: Collection[str]) -> "Table | None":
        return self.table(name, known=known) if name in self else None

    def tables(self, name: str, *, known: Collection[str], least: int = 0) -> Iterable["Table"]:
        """The [[name]] tables, each with its number in the key; `least` of them must be there."""
        values = self._list(name)
        if len(values) < least:
            raise self.wrong(name, values or None, f"write at least {least} [[{self._dotted(name)}]]")
        for at, value in enumerate(values):
            if not isinstance(value, Mapping):
                raise self.wrong(f"{name}[{at}]", value, f"write it as a table under [[{self._dotted(name)}]]")
            yield Table(value, file=self.file, key=self._dotted(f"{name}[{at}]"), known=known)

    def _dotted(self, name: str) -> str:
        # A quoted TOML key can hold anything, and errors are shown on terminals.
        name = name if name.isprintable() else ascii(name)
        return f"{self.key}.{name}" if self.key else name

    def _needed(self, name: str) -> object:
        if name not in self:
            raise self.wrong(name, None, "this key is missing; write it")
        return self.data[name]

    def _checked(self, name: str, value: object, check: Check) -> str:
        if not isinstance(value, str):
            raise self.wrong(name, value, "write a text in quotes")
        try:
            return check(value)
        except ValueError as error:
            raise self.wrong(name, value, str(error)) from error

    def _list(self, name: str) -> list[object]:
        value = self.data.get(name, [])
        if not isinstance(value, list):
            raise self.wrong(name, value, "write a list in square brackets")
        return value

    def _mapping(self, name: str, *, needed: bool) -> Mapping[str, object]:
        value = self.data.get(name, {})
        if not isinstance(value, Mapping):
            raise self.wrong(name, value, f"write it as a table, [{self._dotted(name)}]")
        if needed and not value:
            raise self.wrong(name, None, f"this table is missing or empty; write [{self._dotted(name)}]")
        return value


def one_of(among: Collection[str]) -> Check:
    """A check that lets only the given words pass."""

    def check(text: str) -> str:
        if text not in among:
            raise ValueError(checks.nearest(text, among))
        return text

    return check
