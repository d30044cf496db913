"""Expansion: received appeals become queued deliveries, beside a bare INSERT … SELECT of as many rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

from sqlalchemy import func, select, text

from benchmarks import home
from benchmarks.race import BenchmarkError
from uamail import db, installation
from uamail.actions import loader
from uamail.actions.values import ActionFile
from uamail.installation import Installation
from uamail.models import Appeal, AuditEvent, Counter, Delivery
from uamail.paths import CONFIG
from uamail.pipeline import publishing, routing

# Languages, countries and origins vary, so that the plan has many combinations.
_LANGUAGES = ("en", "zh-Hant", "de", "fr")
_COUNTRIES = ("GB", "CH", "DE", "FR", "AT", "US", "CA", "JP")
_SIGNERS = """
INSERT INTO signer (id, lookup, country, language, contact, created_at)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
SELECT n, CAST('signer-' || n AS $BLOB), 'GB', 'en', false, CAST(:now AS $TIME) FROM numbers
"""
_APPEALS = """
INSERT INTO appeal (id, action_id, revision_id, office_id, signer_id, source, external_id, content_mac, country,
    language, origin, disclosure, consent, reply_consent, state, signed_at, received_at, touched, watched)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
SELECT n, (SELECT id FROM action), (SELECT id FROM action_revision), (SELECT min(id) FROM office), n, 'web', 'B-' || n,
    CAST('0123456789abcdef0123456789abcdef' AS $BLOB), $COUNTRY, $LANGUAGE, 'model', 'name', true, false, 'received',
    CAST(:now AS $TIME), CAST(:now AS $TIME), false, false FROM numbers
"""


@dataclass(frozen=True, kw_only=True)
class Expanded:
    """Seconds of `deliveries` made in `transactions`, the longest of them, and of as many bare rows."""

    deliveries: int
    transactions: int
    seconds: float
    longest: float
    bare: float


def measure(folder: Path, *, appeals: int, url: str | None = None, tell: Callable[[str], None] = print) -> Expanded:
    """Three deliveries an appeal, on a SQLite file in `folder` or on the empty database at `url`.

    Raises BenchmarkError when the deliveries, the counters or the events are not as many as they should be.
    """
    inst = _home(folder / "home", url)
    _sign(inst, appeals)
    tell(f"{appeals} appeals wait")
    times = _route(inst)
    _check(inst, appeals, len(times))
    bare = _bare(inst)
    inst.close()
    return Expanded(deliveries=3 * appeals, transactions=len(times), seconds=sum(times), longest=max(times), bare=bare)


def _action() -> ActionFile:
    """Three pairs of target and channel: two by mail, one on paper."""
    whole = loader.load(CONFIG / "actions" / "demo.toml")
    first, second = whole.targets[:2]
    return replace(whole, targets=(replace(first, channels=("mail", "print")), replace(second, channels=("mail",))))


def _home(root: Path, url: str | None) -> Installation:
    root.mkdir(mode=0o700)
    if url:
        (root / "uamail.toml").write_text(f'[database]\nurl = "{url}"\n')
    inst = installation.create(root)
    file = _action()
    plain, sha256 = loader.plain(file), loader.fingerprint(file)
    with inst.db.scope() as session:
        publishing.publish(session, file, content=plain, sha256=sha256, now=db.now(session), actor=home.ACTOR)
    return inst


def _sign(inst: Installation, count: int) -> None:
    """Appeals as intake leaves them, written by the database itself: what is measured begins after them."""
    words = {"COUNTRY": _pick(_COUNTRIES, 1), "LANGUAGE": _pick(_LANGUAGES, len(_COUNTRIES))}
    words |= {"BLOB": "blob", "TIME": "text"} if inst.db.is_sqlite else {"BLOB": "bytea", "TIME": "timestamptz"}
    with inst.db.scope() as session:
        stamp = db.now(session).replace(tzinfo=None).isoformat(" ", "microseconds")
        for template in (_SIGNERS, _APPEALS):
            statement = Template(template).substitute(words)
            session.execute(text(statement), {"now": stamp, "count": count})


def _pick(words: tuple[str, ...], each: int) -> str:
    """SQL that takes the next word after `each` rows."""
    listed = " ".join(f"WHEN {index} THEN '{word}'" for index, word in enumerate(words))
    return f"CASE n / {each} % {len(words)} {listed} END"


def _route(inst: Installation) -> list[float]:
    """Seconds of each transaction, from its begin to its commit."""
    times = []
    done = 1
    while done:
        began = time.perf_counter()
        with inst.db.scope() as session:
            done = routing.route(session, keys=inst.keys, now=db.now(session), actor=home.ACTOR)
        times.append(time.perf_counter() - began)
    return times[:-1]


def _check(inst: Installation, appeals: int, transactions: int) -> None:
    with inst.db.reading() as session:
        found = {
            "deliveries": session.execute(select(func.count()).where(Delivery.state == "queued")).scalar_one(),
            "counters": session.execute(select(func.sum(Counter.n))).scalar_one(),
            "routed": session.execute(select(func.count()).where(Appeal.routed_at.is_not(None))).scalar_one(),
            "events": session.execute(select(func.count()).where(AuditEvent.type == "delivery:routed")).scalar_one(),
        }
    wanted = {"deliveries": 3 * appeals, "counters": 3 * appeals, "routed": appeals, "events": transactions}
    if found != wanted:
        raise BenchmarkError(f"{wanted} were to be there, {found} are")


def _bare(inst: Installation) -> float:
    """Seconds to copy the same rows into a table without keys, checks or indexes: what the disk and rows cost."""
    with inst.db.scope() as session:
        session.execute(text("CREATE TABLE bare AS SELECT * FROM delivery WHERE false"))
    began = time.perf_counter()
    with inst.db.scope() as session:
        session.execute(text("INSERT INTO bare SELECT * FROM delivery"))
    seconds = time.perf_counter() - began
    with inst.db.scope() as session:
        session.execute(text("DROP TABLE bare"))
    return seconds
