"""Every exception uamail raises on purpose, on one page.

UamailError
├── SettingError          a setting is missing or wrong
├── InputError            a file or value from outside cannot be read
│   ├── ActionFileError   an action file: file, key, value, remedy
│   └── SignatureFileError  a signature file cannot be read at all (single bad rows are quarantined instead)
├── RuleRefused           a rule of the house forbids it (deadline, hold, release, second person)
├── NotFound              nothing has that name
├── OutsideError          the outside world failed: retry later
│   ├── RelayError        a mail relay: cannot connect, TLS, login
│   └── HookError         a webhook did not take what was posted
├── PrintError            a batch cannot be printed
│   ├── MissingGlyph      characters no allowed font can draw
│   └── LayoutStopped     its layout broke a limit or died
├── StoreError            a stored file is missing or damaged
├── LedgerError           the evidence log is broken; carries the first bad sequence number
└── CannotCheck           a check could not be completed
"""

from typing import Any


class UamailError(Exception):
    """Something uamail knows how to explain. `exit_code` is what the command line returns for it."""

    exit_code = 2

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes with all it knows: most errors build their message from other arguments than they keep."""
        return Exception.__new__, (type(self), *self.args), vars(self)


class SettingError(UamailError):
    """A setting is missing or wrong: names the key, the value and the remedy."""

    def __init__(self, key: str, value: object, remedy: str) -> None:
        super().__init__(f"setting {key} = {value!r}: {remedy}")
        self.key, self.value, self.remedy = key, value, remedy


class InputError(UamailError):
    """A file or value from outside cannot be read."""


class ActionFileError(InputError):
    """A key of an action file is missing or wrong: names the file, the key, the value and the remedy."""

    def __init__(self, file: str, key: str, value: object, remedy: str) -> None:
        super().__init__(f"{file}: {key} = {value!r}: {remedy}")
        self.file, self.key, self.value, self.remedy = file, key, value, remedy


class SignatureFileError(InputError):
    """A file of signatures cannot be read at all; single bad rows are quarantined instead."""

    def __init__(self, file: str, problem: str, remedy: str) -> None:
        super().__init__(f"{file}: {problem}. {remedy}")
        self.file, self.problem, self.remedy = file, problem, remedy


class RuleRefused(UamailError):
    """A rule of the house forbids it: a deadline, a hold, a missing release or second person."""

    exit_code = 3


class NotFound(UamailError):
    """Nothing has that name; says where to look."""


class OutsideError(UamailError):
    """The outside world failed; trying again later may work."""

    exit_code = 4


class RelayError(OutsideError):
    """A mail relay cannot be used now: connecting, TLS or login failed."""

    def __init__(self, relay: str, stage: str, problem: str, *, code: int | None = None) -> None:
        super().__init__(f"relay {relay}, {stage}: {problem}")
        self.relay, self.stage, self.problem, self.code = relay, stage, problem, code


class HookError(OutsideError):
    """A webhook did not take what was posted to it; names whose it is, never its address."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"webhook of {name}: {problem}")
        self.name, self.problem = name, problem


class PrintError(UamailError):
    """A batch cannot be printed as it is."""

    exit_code = 1


class MissingGlyph(PrintError):
    """No allowed font can draw these characters, so the letter waits for a person or a font."""

    def __init__(self, characters: str) -> None:
        named = ", ".join(f"{c} (U+{ord(c):04X})" for c in characters)
        super().__init__(f"no allowed font has {named}")
        self.characters = characters


class LayoutStopped(PrintError):
    """The layout of something was stopped: it broke a limit of the jail, or the engine died of it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the layout was stopped: {why}")
        self.why = why


class StoreError(UamailError):
    """A stored file is missing or its bytes are not what was stored."""

    exit_code = 1


class LedgerError(UamailError):
    """The evidence log is broken; `first_bad` is the first sequence number that does not hold."""

    exit_code = 1

    def __init__(self, problem: str, first_bad: int | None = None) -> None:
        super().__init__(problem if first_bad is None else f"{problem} (first bad entry: {first_bad})")
        self.problem, self.first_bad = problem, first_bad


class CannotCheck(UamailError):
    """A check could not be completed, so nothing is known either way."""

    exit_code = 5
