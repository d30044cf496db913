"""Settings: the shipped defaults, the home's uamail.toml over them, the environment over both."""

import os
import tomllib
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from uamail.errors import SettingError
from uamail.paths import CONFIG, Home


class _Section(BaseModel):
    """A table of uamail.toml: unknown keys are errors, because a misspelt limit is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Section):
    url: str


class BrokerSettings(_Section):
    url: str


class RelaySettings(_Section):
    host: str
    port: int = Field(ge=1, le=65535)
    tls: Literal["none", "starttls", "implicit"]
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    max_connections: int = Field(default=4, ge=1)
    messages_per_connection: int = Field(default=100, ge=1)
    connect_seconds: float = Field(default=30, gt=0)
    command_seconds: float = Field(default=300, gt=0)
    # RFC 5321 4.5.3.2.6: ten minutes for the reply to the final dot; less makes duplicates.
    dot_seconds: float = Field(default=600, gt=0)


class MailSettings(_Section):
    domain: str
    sender: str
    service_name: str
    helo: str
    never_send: bool
    relay: str


class WindowSettings(_Section):
    # Empty: the zone of the recipient.
    zone: str = ""
    days: str = "mon-sun"
    opens: str = "00:00"
    closes: str = "24:00"
    # A country of [holidays], or empty.
    holidays: str = ""


class LimitSettings(_Section):
    burst: int = Field(ge=1)
    count: int = Field(ge=1)
    period_seconds: int = Field(ge=1)
    # 0: no cap.
    daily_cap: int = Field(default=0, ge=0)
    lifetime_cap: int = Field(default=0, ge=0)
    spread: Literal["front", "even"] = "front"
    window: WindowSettings | None = None


class RetrySettings(_Section):
    first_seconds: float = Field(gt=0)
    factor: float = Field(ge=1)
    most_seconds: float = Field(gt=0)
    give_up_hours: float = Field(gt=0)
    poison_attempts: int = Field(ge=1)
    relay_pause_seconds: float = Field(gt=0)


class WorkSettings(_Section):
    lease_seconds: int = Field(ge=10)
    permit_seconds: float = Field(gt=0)
    claim: int = Field(ge=1, le=500)
    tick_seconds: float = Field(gt=0)
    token_seconds: float = Field(gt=0, le=60)
    threads: int = Field(ge=1)
    stop_seconds: float = Field(gt=0)


class PrintSettings(_Section):
    profile: str
    profiles: dict[str, str]
    mode: Literal["individual", "bundle", "hand-delivery"]
    label_sheet: str
    seal_pieces: int = Field(ge=1)
    seal_hours: float = Field(ge=0)
    preflight_share: float = Field(ge=0, le=1)


class ReleaseSettings(_Section):
    second_person: bool


class ImportSettings(_Section):
    default_language: str
    chunk: int = Field(ge=1)


class AuditSettings(_Section):
    origin: str
    checkpoint_seconds: float = Field(ge=0)
    guard_dir: str


class Settings(BaseSettings):
    """Every setting; each is explained in config/uamail.toml. Environment: UAMAIL_MAIL__DOMAIN and so on."""

    model_config = SettingsConfigDict(
        env_prefix="UAMAIL_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    database: DatabaseSettings
    broker: BrokerSettings
    mail: MailSettings
    relays: dict[str, RelaySettings]
    pacing: dict[str, LimitSettings]
    limits: dict[str, LimitSettings]
    # Country (ISO 3166) -> day -> its name.
    holidays: dict[str, dict[date, str]]
    retry: RetrySettings
    work: WorkSettings
    print: PrintSettings
    release: ReleaseSettings
    intake: ImportSettings
    audit: AuditSettings
    templates_dir: str
    # The home is where the settings were found, not a setting.
    home_dir: Path = Path()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, file_secret_settings, init_settings)

    @cached_property
    def home(self) -> Home:
        return Home(self.home_dir)

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{self.home.database}"

    @property
    def operator_templates(self) -> Path | None:
        return Path(self.templates_dir) if self.templates_dir else None

    def relay_password(self, name: str) -> SecretStr | None:
        """The password of a relay from its file, which nobody else may read."""
        path = self.relays[name].password_file
        if not path:
            return None
        file = self.home.root / path
        if not file.is_file():
            raise SettingError(f"relays.{name}.password_file", path, "write the password into that file, mode 0600")
        if file.stat().st_mode & 0o077:
            raise SettingError(f"relays.{name}.password_file", path, f"others can read it: chmod 600 {path}")
        return SecretStr(file.read_text().strip())


def load(home: Path) -> Settings:
    """The settings of a home. Raises SettingError naming key, value and remedy."""
    merged = _merge(_table(CONFIG / "uamail.toml"), _table(CONFIG / "pacing.toml"))
    merged = _merge(merged, _table(CONFIG / "holidays.toml"))
    merged = _merge(merged, _table(Home(home).settings_file))
    try:
        return Settings(**{**merged, "home_dir": home.resolve()})
    except ValidationError as error:
        raise _explained(error) from error


def default_home() -> Path:
    """UAMAIL_HOME, or ./uamail-home."""
    return Path(os.environ.get("UAMAIL_HOME", "uamail-home"))


def _table(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingError(str(path), "", f"this is not TOML: {error}") from error


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _explained(error: ValidationError) -> SettingError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return SettingError(key, first["input"], "no such setting; config/uamail.toml lists them all")
    return SettingError(key, first["input"], f"{first['msg']}; config/uamail.toml explains it")
