"""Twenty people write to a fax number: through a gateway and into a spool, with a worker killed in the middle."""

import contextlib
import io
import subprocess
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select

from tests.acceptance.desk import Desk
from tests.support import faxes, oracle, processes
from tests.support.databases import postgres_at_night
from tests.support.faxes import NUMBER, Fax, Server, likeness
from tests.support.world import World, import_sample
from uamail import db, identity
from uamail.installation import Installation, open_home
from uamail.letters import language, statewords
from uamail.mail import message
from uamail.mail.sink import Sink, SinkThread
from uamail.models import Appeal, Attempt, Delivery, Signer, VaultItem
from uamail.pipeline import faxing, writing
from uamail.printing import profile, reference

SIGNERS = 20
# Of TIFF 6.0: size, bits, compression, photometric, where the strip is, resolution, planes, unit. No word in it.
TAGS = {256, 257, 258, 259, 262, 273, 278, 279, 282, 283, 284, 296}
SETTINGS = {
    "gateway": '[fax]\nway = "gateway"\naddress = "{number}@fax.example"\ntext = "PIN 7"\n',
    "spool": '[fax]\nway = "spool"\nbusy_minutes = 0.01\npoll_seconds = 3600\n',
}


class Office:
    """A home with twenty released faxes, and what reaches the other side."""

    def __init__(self, world: World, way: str, sink: Sink) -> None:
        self.world, self.way, self.sink = world, way, sink
        self.desk = Desk(world.inst.home.root, settings=faxes.QUICK)
        self.server = Server(world.inst.home.root / "fax")
        self.sent = 0

    def start(self, *, until_idle: bool) -> processes.Process:
        return processes.embedded(self.world.inst, self.sink.port, until_idle=until_idle, **faxes.QUICK)

    def finish(self) -> None:
        worker = self.start(until_idle=True)
        try:
            assert worker.wait(240) == 0, worker.said()
        finally:
            worker.kill()

    def faxes(self) -> dict[int, list[Fax]]:
        """What arrived, by the id of the try."""
        found: dict[int, list[Fax]] = {}
        if self.way == "spool":
            for job, fax in self.server.jobs():
                found.setdefault(int(job[1:]), []).append(fax)
            return found
        for mail in list(self.sink.received):
            if mail.recipient.endswith("@fax.example"):
                fax = faxes.mailed(mail.data)
                found.setdefault(int(fax.told["subject"].removeprefix("Fax F")), []).append(fax)
        return found

    def tries(self) -> dict[int, Attempt]:
        with self.world.inst.db.reading() as session:
            return {one.id: one for one in session.execute(select(Attempt)).scalars()}

    def arrived(self) -> list[str]:
        """Message-IDs of all faxes and of all mails to supporters."""
        name, tries = self.world.inst.house.message_id, self.tries()
        by_fax = [name(tries[id].delivery_id) for id, some in self.faxes().items() for _ in some]
        return by_fax + [one.message_id for one in self.sink.received if not one.recipient.endswith("@fax.example")]

    def names(self) -> list[str]:
        """Names and addresses of everybody who signed."""
        query = select(Signer.id, Signer.wrapped_key, VaultItem.box).join(VaultItem, VaultItem.signer_id == Signer.id)
        with self.world.inst.db.reading() as session:
            rows = session.execute(query.where(VaultItem.kind == "identity")).all()
        people = [identity.unseal(self.world.inst.keys, row.wrapped_key, row.box, signer_id=row.id) for row in rows]
        return [word for one in people for word in (one.name, one.email) if word]


def play(home: Installation, tmp_path: Path, way: str, sink: Sink) -> Office:
    """Import, release, a worker killed after a few faxes, and another one that goes on to the end."""
    settings = home.home.settings_file
    settings.write_text(settings.read_text() + SETTINGS[way])
    world = World(open_home(home.home.root))
    world.publish(faxes.fax_only())
    import_sample(world, tmp_path / "signatures.csv", count=SIGNERS)
    world.route()
    office = Office(world, way, sink)
    released = office.desk.run("release", "99/26", "--channel", "fax", "--yes", "--json")
    assert released.code == 0, released.err
    # One of the twenty gave no consent.
    office.sent = released.json["letters"]
    assert office.sent >= SIGNERS - 1
    killed = office.start(until_idle=False)
    try:
        processes.until(lambda: len(office.faxes()) >= 4, 120)
    finally:
        killed.kill()
    office.finish()
    return office


@pytest.fixture(params=["gateway", "spool"])
def way(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@postgres_at_night
@pytest.mark.timeout(900)
def test_twenty_people_write_by_fax(home: Installation, tmp_path: Path, way: str) -> None:
    with SinkThread() as sink:
        office = play(home, tmp_path, way, sink)
        with contextlib.closing(office.world.inst):
            nothing_is_lost_or_doubled(office)
            every_fax_is_one_that_machines_take(office)
            pages_are_those_of_the_letters_on_paper(office)
            nobody_is_named_beside_the_letters(office)
            if way == "spool":
                results_come_back(office)


def nothing_is_lost_or_doubled(office: Office) -> None:
    """A letter that may have gone and may not is flagged; every other one went once."""
    verdict = oracle.judge(office.world.inst, office.arrived())
    states = office.world.states(Delivery.channel == "fax")

    assert verdict.faults == {}
    assert states.get("accepted", 0) + states.get("uncertain", 0) == office.sent
    # One job at a time into the spool, one connection a lane's claim into the gateway.
    assert states.get("uncertain", 0) <= 4
    assert {len(some) for some in office.faxes().values()} == {1}
    assert office.desk.run("status", "99/26", "--json").json["actions"][0]["balanced"]


def every_fax_is_one_that_machines_take(office: Office) -> None:
    for (fax,) in office.faxes().values():
        assert fax.number == NUMBER
        for page, tags in zip(fax.pages, fax.tags, strict=True):
            assert (page.mode, page.size[0]) == ("1", 1728)
            assert page.size[1] == round(297 / 25.4 * 196)
            assert (tags[259], tags[262], float(tags[282]), float(tags[283])) == (4, 0, 204, 196)
            assert set(tags) == TAGS


def pages_are_those_of_the_letters_on_paper(office: Office) -> None:
    """Drawn by another program, from the words as they would be printed, and looked at from some distance."""
    some = sorted(office.faxes())[:4]
    drawn = {id: paper(office, office.tries()[id]) for id in some}

    for id in some:
        (fax,) = office.faxes()[id]
        alike = {other: likeness(fax.pages[0], drawn[other][0]) for other in some}
        assert len(fax.pages) == len(drawn[id])
        assert alike[id] > 0.96, alike
        assert max(alike, key=lambda other: alike[other]) == id


def paper(office: Office, attempt: Attempt) -> list[Image.Image]:
    """The pages of a letter as poppler sees them, on a sheet as wide as a fax."""
    inst = office.world.inst
    with inst.db.reading() as session:
        (letter,) = faxing.letters(session, writing.briefs(session, [attempt.delivery_id]))
        now = attempt.started_at or db.now(session)
    key = inst.keys.unwrap(letter.brief.wrapped_key)
    piece = faxing.piece(letter, f"F{attempt.id}", key=key, profile=profile.load("fax"), now=now)
    pdf = reference.render([piece], profile=profile.load("fax")).pdf
    command = ["pdftoppm", "-gray", "-rx", "204", "-ry", "196", "-"]
    drawn = subprocess.run(command, input=pdf, capture_output=True, check=True).stdout
    pages = []
    with io.BytesIO(drawn) as stream:
        while stream.tell() < len(drawn):
            page = Image.open(stream)
            page.load()
            sheet = Image.new("L", (1728, page.height), 255)
            sheet.paste(page, ((1728 - page.width) // 2, 0))
            pages.append(sheet)
    return pages


def nobody_is_named_beside_the_letters(office: Office) -> None:
    """Not in file names, jobs, mail headers or logs; and nobody else may look into the spool."""
    told = str([fax.told for some in office.faxes().values() for fax in some])
    written = told + (office.world.inst.home.root / "worker.log").read_text()
    if office.way == "spool":
        folder = office.server.folder
        written += str(sorted(path.name for path in folder.rglob("*")))
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.glob("F*")} == {0o600}

    assert not [word for word in office.names() if word in written]
    assert not [word for word in office.names() for some in office.faxes().values() if word.encode() in some[0].data]


def results_come_back(office: Office) -> None:
    """Sent, busy and failed: collected once, told to the supporter, and the busy ones go again by themselves."""
    jobs = sorted(office.faxes())
    failed = reachable(office, jobs)
    busy = next(id for id in jobs if id != failed)
    before = office.tries()
    for id in jobs:
        status = {busy: "busy", failed: "failed"}.get(id, "sent")
        office.server.answer(f"F{id}", status, reason="" if status == "sent" else "line engaged")

    first, second = (office.desk.run("fax", "collect", "--json") for _ in range(2))
    office.finish()
    (again,) = [id for id in office.faxes() if id not in before]
    office.server.answer(f"F{again}", "sent")
    third = office.desk.run("fax", "collect", "--json")

    assert (first.code, second.code, third.code) == (0, 0, 0)
    assert first.json["results"] == {"sent": len(jobs) - 2, "again": 1, "failed": 1}
    assert second.json["results"] == {}
    assert third.json["results"] == {"sent": 1}
    assert office.tries()[again].delivery_id == before[busy].delivery_id
    assert office.world.delivery(before[failed].delivery_id).state == "bounced"
    assert office.desk.run("status", "99/26", "--json").json["actions"][0]["balanced"]
    assert list(office.server.jobs()) == []
    the_supporter_is_told(office, before[failed].delivery_id)


def the_supporter_is_told(office: Office, delivery_id: int) -> None:
    """Once, in the words of a fax: it did not come back from a mail server."""
    appeal_id = office.world.delivery(delivery_id).appeal_id
    (told,) = office.world.deliveries(Delivery.kind == "notice", Delivery.appeal_id == appeal_id)
    message_id = office.world.inst.house.message_id(told.id)
    (mail,) = [one for one in office.sink.received if one.message_id == message_id]
    spoken = language.match(told.language, statewords.languages()) or "en"
    words = statewords.state_words("bounced", {}, language=spoken, channel="fax")

    assert told.occasion == "bounced"
    assert words in message.read(mail.data).text
    assert statewords.state_words("bounced", {}, language=spoken) not in message.read(mail.data).text


def reachable(office: Office, ids: list[int]) -> int:
    """A try whose signer wants to be told and has an address."""
    tries = office.tries()
    query = select(Delivery.id, Signer, VaultItem.box).join(Appeal, Appeal.id == Delivery.appeal_id)
    query = query.join(Signer, Signer.id == Appeal.signer_id).join(VaultItem, VaultItem.signer_id == Signer.id)
    with office.world.inst.db.reading() as session:
        rows = session.execute(query.where(VaultItem.kind == "identity", Signer.contact)).all()
        keys = office.world.inst.keys
        people = {
            row.id: identity.unseal(keys, row.Signer.wrapped_key, row.box, signer_id=row.Signer.id) for row in rows
        }
    return next(id for id in ids if (one := people.get(tries[id].delivery_id)) and one.email)
