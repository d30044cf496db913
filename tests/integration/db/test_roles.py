"""The roles on PostgreSQL: what the workers need goes, and every way to change the record is refused."""
# ruff: noqa: S608 - the statements are made of our own names

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from tests.integration.evidence.log import signed_by
from tests.support.databases import Templates, name
from tests.support.world import World, mail_only, result
from uamail import installation
from uamail.db import Database, roles
from uamail.errors import InputError
from uamail.event import Event
from uamail.installation import Installation
from uamail.ledger.tree import Frontier
from uamail.models import audit
from uamail.queries.verifying import verified

pytestmark = pytest.mark.postgres


@dataclass
class Roles:
    """One database, and its URL for the owner, the workers and the sequencer."""

    owner: str
    app: str
    sequencer: str


@pytest.fixture
def three(templates: Templates, tmp_path: Path) -> Iterator[Roles]:
    url, server = templates.copy("postgres", tmp_path), templates.server
    names = [name(word).replace("uamail_test", "uamail_role") for word in ("app", "seq")]
    database = make_url(url).database or ""
    for one in names:
        server.run(f"CREATE ROLE {one} LOGIN")
    for statement in roles.statements(app=names[0], sequencer=names[1]):
        server.run(statement, database=database)
    app, sequencer = (make_url(url).set(username=one).render_as_string() for one in names)
    yield Roles(url, app, sequencer)
    for one in names:
        server.run(f"REASSIGN OWNED BY {one} TO CURRENT_USER; DROP OWNED BY {one}", database=database)
        server.run(f"DROP ROLE {one}")


@pytest.fixture
def housed(three: Roles, tmp_path: Path) -> Iterator[Installation]:
    """A home whose workers have the one role and whose sequencer has the other."""
    root = tmp_path / "home"
    root.mkdir(mode=0o700)
    before = os.umask(0o077)
    (root / "uamail.toml").write_text(f'[database]\nurl = "{three.owner}"\n')
    installation.create(root).close()
    os.umask(before)
    (root / "uamail.toml").write_text(f'[database]\nurl = "{three.app}"\nsequencer_url = "{three.sequencer}"\n')
    made = installation.open_home(root)
    yield made
    made.close()


def test_work_goes_on_with_few_rights(housed: Installation) -> None:
    world = World(housed)
    world.publish(mail_only())
    world.letters(4)
    claims = world.claim()
    for claim in claims:
        world.begin(claim)
    world.finish(*(result(claim, "accepted", "250 2.0.0 ok") for claim in claims))
    signed_by(housed, Frontier())

    with housed.db.reading() as session:
        found = verified(session, keys=housed.log_keys)
    assert (found.report.ok, found.unsequenced, found.signed) == (True, 0, 1)
    assert world.states()["accepted"] == len(claims)


def refused(url: str, statement: str) -> bool:
    """Whether the statement fails for want of rights; anything else is an error of the test."""
    database = Database(url)
    try:
        with database.scope() as session:
            session.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":  # insufficient_privilege
            raise
        return True
    finally:
        database.close()
    return False


RECORD = (*roles.EVENTS, *roles.TREE)
FORBIDDEN = [
    *(f"UPDATE {table} SET id = id" for table in RECORD),
    *(f"DELETE FROM {table}" for table in RECORD),
    *(f"TRUNCATE {table} CASCADE" for table in RECORD),
    *(f"ALTER TABLE {table} DISABLE TRIGGER ALL" for table in RECORD),
    *(f"DROP TABLE {table} CASCADE" for table in RECORD),
    *(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE" for table in RECORD),
    *(f"ALTER TABLE {table} ADD COLUMN more text" for table in RECORD),
    "DROP TRIGGER audit_event_no_change ON audit_event",
    "CREATE RULE quiet AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "CREATE TRIGGER other BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION uamail_insert_only()",
    "CREATE OR REPLACE FUNCTION uamail_insert_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "DROP FUNCTION uamail_insert_only() CASCADE",
    "SET session_replication_role = replica",
    "INSERT INTO audit_event (id, type, at, body) VALUES (1, 'x', now(), '') ON CONFLICT (id) DO UPDATE SET type = 'y'",
    "MERGE INTO audit_event e USING (SELECT 1 AS id) n ON e.id = n.id WHEN MATCHED THEN DELETE",
    "SELECT setval('audit_event_id_seq', 1)",
    "CREATE TABLE public.audit_shadow (id int)",
    "ALTER TABLE audit_event RENAME TO audit_old",
    "ALTER TABLE audit_event OWNER TO CURRENT_USER",
    "COPY audit_event TO PROGRAM 'cat'",
]
OF_THE_TREE = [
    "INSERT INTO audit_leaf (id, event_id, leaf_hash) VALUES (0, 1, '')",
    "INSERT INTO audit_node (level, position, hash) VALUES (6, 0, '')",
    "INSERT INTO audit_checkpoint (size, root, note, at) VALUES (1, '', '', now())",
    "INSERT INTO audit_anchor (size, kind, name, proof, at) VALUES (1, 'timestamp', '', '', now())",
]
OF_THE_HOUSE = [
    "INSERT INTO audit_event (type, at, body) VALUES ('x', now(), '')",
    "INSERT INTO audit_span (event_id, subject, first_id, last_id) VALUES (1, 'delivery', 1, 1)",
    "UPDATE delivery SET state = 'accepted'",
    "SELECT * FROM signer",
    "SELECT * FROM vault_item",
]


def test_workers_cannot_change_the_record(three: Roles) -> None:
    for statement in (*FORBIDDEN, *OF_THE_TREE):
        assert refused(three.app, statement), statement


def test_sequencer_can_only_grow_the_tree(three: Roles) -> None:
    for statement in (*FORBIDDEN, *OF_THE_HOUSE):
        assert refused(three.sequencer, statement), statement


def test_each_may_add_its_own(three: Roles) -> None:
    database = Database(three.app)
    with database.scope() as session:
        at = session.execute(text("SELECT now()")).scalar_one()
        audit.record_set(session, Event("test:made", at, "tester"), "delivery", [1, 2])
    database.close()

    assert not refused(three.sequencer, "INSERT INTO audit_leaf (id, event_id, leaf_hash) VALUES (0, 1, 'x')")
    assert not refused(three.app, "SELECT count(*) FROM audit_leaf")


@pytest.mark.parametrize("role", ["app", "sequencer"])
def test_rights_cannot_be_handed_on(three: Roles, role: str) -> None:
    url = getattr(three, role)
    # PostgreSQL only warns that nothing was granted.
    refused(url, "GRANT ALL ON audit_event TO PUBLIC")

    assert refused(url, "DELETE FROM audit_event")


@pytest.mark.parametrize(("app", "sequencer"), [("a b", "seq"), ("app", "Seq"), ("same", "same"), ("a;--", "seq")])
def test_unsafe_role_is_refused(app: str, sequencer: str) -> None:
    with pytest.raises(InputError):
        roles.statements(app=app, sequencer=sequencer)
