"""A fault script: a TOML file that says what a rehearsal's mail server does wrong, to whom and how often."""

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from uamail.errors import InputError
from uamail.mail import fault_words
from uamail.mail.faults import Act, Fault, Faults, Rule
from uamail.mail.sink_house import Limits

_STAGE = Literal["connect", "helo", "tls", "auth", "mail", "rcpt", "data", "dot"]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What a sink is told: its faults and its limits."""

    faults: Faults
    limits: Limits = field(default_factory=Limits)


class _Table(BaseModel):
    """A table of the file: unknown keys are errors, because a misspelt fault is no fault."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Limits(_Table):
    per_second: float | None = Field(default=None, gt=0)
    per_connection: int | None = Field(default=None, ge=1)
    connections: int | None = Field(default=None, ge=1)


class _Fault(_Table):
    stage: _STAGE
    act: Act = "reply"
    code: int = Field(default=0, ge=0, le=999)
    text: str = Field(default="", pattern=r"^[ -~]*$")
    seconds: float = Field(default=1.0, ge=0)
    bytes: int = Field(default=0, ge=0)
    size: int = Field(default=0, ge=0)
    keeps: bool = False
    share: float = Field(default=1.0, ge=0, le=1)
    tries: int | None = Field(default=None, ge=1)
    first: int | None = Field(default=None, ge=1)
    to: str = ""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.act == "reply" and self.code < 100:
            raise ValueError("a reply needs a code, such as 450")
        if self.act == "cut" and self.stage not in ("data", "dot"):
            raise ValueError("content is cut at data (anywhere in it) or at dot (after the header)")
        if self.to and self.stage not in ("rcpt", "data", "dot"):
            raise ValueError(f"at {self.stage} nobody knows the recipient yet: leave `to` out")
        return self

    def rule(self) -> Rule:
        stage = fault_words.stage_of(self.stage)
        assert stage is not None
        seconds = self.seconds if self.act in fault_words.TIMED else 0.0
        fault = Fault(stage, self.act, self.code, self.text, seconds, self.bytes, self.size, self.keeps)
        return Rule(fault, self.share, self.tries, self.first, self.to.lower())


# What a [[fault]] may say.
KEYS = tuple(_Fault.model_fields)


class _File(_Table):
    seed: int | None = None
    draw: Literal["message", "order"] = "message"
    preset: str | None = None
    limits: _Limits = _Limits()
    fault: list[_Fault] = []


def scenario(text: str, *, seed: int | None = None) -> Scenario:
    """What `--faults` means: a .toml file, the name of a preset, or words as fault_words.parse takes them.

    `seed` wins over the file's. Raises InputError.
    """
    if text.endswith(".toml"):
        return read(Path(text), seed=seed)
    if text in fault_words.PRESETS:
        return Scenario(faults=replace(fault_words.PRESETS[text], seed=seed or 0))
    return Scenario(faults=fault_words.parse(text, seed=seed or 0))


def read(path: Path, *, seed: int | None = None) -> Scenario:
    """The scenario of a file. Raises InputError that names the file, the key and the remedy."""
    try:
        found = _File(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: {key or 'the file'}: {first['msg']}") from error
    return _scenario(path, found, seed)


def _scenario(path: Path, found: _File, seed: int | None) -> Scenario:
    if found.preset is not None and found.preset not in fault_words.PRESETS:
        raise InputError(f"{path}: preset: there is {', '.join(fault_words.PRESETS)}")
    before = fault_words.PRESETS[found.preset].rules if found.preset else ()
    limits = found.limits
    return Scenario(
        faults=Faults(
            (*before, *(one.rule() for one in found.fault)),
            seed if seed is not None else found.seed or 0,
            limits.per_second,
            by_order=found.draw == "order",
        ),
        limits=Limits(connections=limits.connections, per_connection=limits.per_connection),
    )
