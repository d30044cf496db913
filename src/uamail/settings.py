"""Settings: the shipped defaults, the home's uamail.toml over them, the environment over both."""

import os
import re
import tomllib
from datetime import date, time
from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from uamail.errors import SettingError
from uamail.paths import CONFIG, Home

# One DNS label (RFC 6376 3.1 would allow several).
SELECTOR = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


class _Section(BaseModel):
    """A table of uamail.toml: unknown keys are errors, because a misspelt limit is no limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Section):
    url: str
    sequencer_url: str


class BrokerSettings(_Section):
    url: str


class RelaySettings(_Section):
    host: str
    port: int = Field(ge=1, le=65535)
    tls: Literal["none", "starttls", "implicit"]
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    routes: list[str] = []
    senders: list[str] = []
    preference: int = 10
    max_connections: int = Field(default=4, ge=1)
    messages_per_connection: int = Field(default=1000, ge=1)
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
    reflect_to: str = ""
    relay: str

    @property
    def quiet(self) -> str | None:
        """Why no letter leaves for its recipient, in words for an operator; None when letters do leave."""
        if self.never_send:
            return "mail.never_send is on: nothing leaves by e-mail"
        return "mail.reflect_to is set: only rehearsals leave (uamail rehearse)" if self.reflect_to else None


class DkimSettings(_Section):
    mode: Literal["off", "relay", "rsa", "rsa+ed25519"]
    domain: str
    rsa_selector: str
    rsa_key_file: str
    ed25519_selector: str
    ed25519_key_file: str

    @property
    def kinds(self) -> tuple[Literal["rsa", "ed25519"], ...]:
        """The kinds of keys that uamail itself signs with."""
        match self.mode:
            case "rsa":
                return ("rsa",)
            case "rsa+ed25519":
                return ("rsa", "ed25519")
            case _:
                return ()

    def selector(self, kind: str) -> str:
        return self.rsa_selector if kind == "rsa" else self.ed25519_selector

    def key_file(self, kind: str) -> str:
        """Relative to the home; keys/dkim-<selector>.pem unless something else is said."""
        said = self.rsa_key_file if kind == "rsa" else self.ed25519_key_file
        return said or f"keys/dkim-{self.selector(kind)}.pem"


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


class ReconcileSettings(_Section):
    maillog: str
    relay: str
    zone: str
    every_seconds: float = Field(gt=0)
    margin_seconds: float = Field(ge=0)
    requeue_missing: bool


class WorkSettings(_Section):
    lease_seconds: int = Field(ge=10)
    permit_seconds: float = Field(gt=0)
    claim: int = Field(ge=1, le=500)
    tick_seconds: float = Field(gt=0)
    token_seconds: float = Field(gt=0, le=60)
    threads: int = Field(ge=1)
    stop_seconds: float = Field(gt=0)


class JournalSettings(_Section):
    kind: Literal["file", "rows"]
    durability: Literal["process", "power"]
    commit_seconds: float = Field(gt=0, le=5)


class PrinterSettings(_Section):
    # Millimetres right and down.
    dx: float = Field(default=0.0, ge=-20, le=20)
    dy: float = Field(default=0.0, ge=-20, le=20)


class PrintSettings(_Section):
    profile: str
    profiles: dict[str, str]
    mode: Literal["individual", "bundle", "hand-delivery"]
    label_sheet: str
    printer: str
    printers: dict[str, PrinterSettings]
    seal_pieces: int = Field(ge=1)
    seal_hours: float = Field(ge=0)
    preflight_share: float = Field(ge=0, le=1)
    certificate: str
    suspect_returns: int = Field(ge=1)
    keep_days: int = Field(ge=1)
    oracle_share: float = Field(ge=0, le=1)
    oracle_letters: int = Field(ge=1)


class RetentionSettings(_Section):
    people_days: int = Field(ge=0)
    incoming_days: int = Field(ge=1)
    quarantine_days: int = Field(ge=1)


class FaxSettings(_Section):
    way: Literal["", "gateway", "spool"]
    address: str
    subject: str
    text: str
    spool: str = Field(min_length=1)
    most_pages: int = Field(ge=1)
    profile: str
    keep_hours: float = Field(ge=0)
    busy_minutes: float = Field(gt=0)
    busy_retries: int = Field(ge=0)
    most_failures: int = Field(ge=1)
    poll_seconds: float = Field(gt=0)


class ImapSettings(_Section):
    host: str
    port: int = Field(ge=1, le=65535)
    username: str
    password_file: str
    folder: str
    done_folder: str
    ca_file: str


class BounceSettings(_Section):
    maildir: str
    poll_seconds: float = Field(gt=0)
    full_hours: float = Field(gt=0)
    full_retries: int = Field(ge=0)
    ses_topic: str
    mailgun_key_file: str
    postmark_password_file: str
    imap: ImapSettings


class ReleaseSettings(_Section):
    second_person: bool


class ImportSettings(_Section):
    default_language: str
    chunk: int = Field(ge=1)


class WebSettings(_Section):
    public_url: str = Field(pattern=r"^(https://[^/\s?#]+(/[^\s?#]*[^/\s?#])?|http://127\.0\.0\.1:[0-9]+)?$")


class AuditSettings(_Section):
    origin: str
    checkpoint_seconds: float = Field(ge=0)
    pause_minutes: float = Field(ge=0)
    signer: str = Field(pattern=r"^(unix:/.*)?$")
    guard_dir: str
    witnesses: list[str]
    timestamp_url: str
    timestamp_ca_file: str


Cause = Literal[
    "relay",
    "content",
    "late",
    "stalled_log",
    "stuck_lane",
    "uncertain",
    "poison",
    "batch_stuck",
    "restored",
    "disk",
]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class AlertSettings(_Section):
    # After five minutes without a look the house counts as shut.
    watch_seconds: float = Field(gt=0, le=120)
    repeat_hours: float = Field(ge=0)
    stalled_log_minutes: float = Field(gt=0)
    stuck_lane_minutes: float = Field(gt=0)
    uncertain_minutes: float = Field(ge=0)
    disk_free_percent: float = Field(ge=0, le=100)
    digest_at: time
    digest_zone: str
    digest_days: tuple[Weekday, ...]
    digest_empty: bool

    @field_validator("digest_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in available_timezones():
            raise ValueError("not a time zone of the IANA list, such as Europe/Zurich")
        return name


class StaffSettings(_Section):
    """A member of staff who is told; `causes` empty: all of them."""

    email: str = ""
    # Often a secret by itself.
    webhook: str = Field(default="", repr=False)
    secret_file: str = ""
    ca_file: str = ""
    causes: tuple[Cause, ...] = ()
    digest: bool = True


class MetricsSettings(_Section):
    # A process counts as alive for a minute after its last flush.
    flush_seconds: float = Field(gt=0, le=20)


class Settings(BaseSettings):
    """Every setting; each is explained in config/uamail.toml. Environment: UAMAIL_MAIL__DOMAIN and so on."""

    model_config = SettingsConfigDict(
        env_prefix="UAMAIL_", env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    database: DatabaseSettings
    broker: BrokerSettings
    mail: MailSettings
    dkim: DkimSettings
    relays: dict[str, RelaySettings]
    pacing: dict[str, LimitSettings]
    limits: dict[str, LimitSettings]
    # Country (ISO 3166) -> day -> its name.
    holidays: dict[str, dict[date, str]]
    retry: RetrySettings
    reconcile: ReconcileSettings
    work: WorkSettings
    journal: JournalSettings
    print: PrintSettings
    retention: RetentionSettings
    fax: FaxSettings
    bounces: BounceSettings
    release: ReleaseSettings
    intake: ImportSettings
    audit: AuditSettings
    web: WebSettings
    alerts: AlertSettings
    staff: dict[str, StaffSettings]
    metrics: MetricsSettings
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
        return self.secret(f"relays.{name}.password_file", path) if path else None

    def secret(self, key: str, path: str) -> SecretStr:
        """The password in the file that setting `key` names, relative to the home. Raises SettingError."""
        return SecretStr(self._secret(key, path, "write the password into that file, mode 0600").decode().strip())

    def webhook_secret(self, name: str) -> SecretStr | None:
        """The secret that signs what goes to a member of staff's webhook, from its private file."""
        key, path = f"staff.{name}.secret_file", self.staff[name].secret_file
        if not path:
            return None
        return SecretStr(self._secret(key, path, "write the secret into that file, mode 0600").decode().strip())

    @property
    def dkim_domain(self) -> str:
        """The domain in the signatures, d=."""
        return self.dkim.domain or self.mail.domain

    def dkim_key(self, kind: str) -> bytes:
        """The private key of that kind from its file, in PEM."""
        remedy = f"make it: uamail dkim key --kind {kind} --selector {self.dkim.selector(kind)}"
        return self._secret(f"dkim.{kind}_key_file", self.dkim.key_file(kind), remedy)

    def _secret(self, key: str, path: str, remedy: str) -> bytes:
        """What a file holds that nobody else may read."""
        file = self.home.root / path
        if not path or not file.is_file():
            raise SettingError(key, path, remedy)
        if file.stat().st_mode & 0o077:
            raise SettingError(key, path, f"others can read it: chmod 600 {path}")
        return file.read_bytes()


def load(home: Path) -> Settings:
    """The settings of a home. Raises SettingError naming key, value and remedy."""
    merged = _merge(_table(CONFIG / "uamail.toml"), _table(CONFIG / "pacing.toml"))
    merged = _merge(merged, _table(CONFIG / "holidays.toml"))
    merged = _merge(merged, _table(Home(home).settings_file))
    try:
        made = Settings(**{**merged, "home_dir": home.resolve()})
    except ValidationError as error:
        raise _explained(error) from error
    _check_dkim(made)
    _check_pause(made)
    return made


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


def _check_pause(settings: Settings) -> None:
    """A record that is signed less often than it may wait would stop all mail for good."""
    pause, every = settings.audit.pause_minutes, settings.audit.checkpoint_seconds
    if pause and pause * 60 <= 2 * every:
        raise SettingError(
            "audit.pause_minutes", pause, f"must be well over audit.checkpoint_seconds ({every:g} s), or 0"
        )


def _check_dkim(settings: Settings) -> None:
    """DMARC counts a signature only of the domain of From or of one above it (RFC 7489 3.1.1)."""
    signing, sender = settings.dkim_domain, settings.mail.domain
    if settings.dkim.kinds and ("." not in signing or not f".{sender}".endswith(f".{signing}")):
        raise SettingError("dkim.domain", signing, f"must be {sender}, the domain of From, or a domain above it")
    for kind in settings.dkim.kinds:
        if not re.fullmatch(SELECTOR, settings.dkim.selector(kind)):
            raise SettingError(
                f"dkim.{kind}_selector", settings.dkim.selector(kind), "must be a DNS label, as in ua2026"
            )


def _explained(error: ValidationError) -> SettingError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return SettingError(key, first["input"], "no such setting; config/uamail.toml lists them all")
    return SettingError(key, first["input"], f"{first['msg']}; config/uamail.toml explains it")
