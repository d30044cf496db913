"""A batch with letters that break its layout, through a real worker: they are held, it comes out."""

import shutil
from dataclasses import replace

import pytest
from sqlalchemy import select

from tests.support import oracle, processes
from tests.support.world import World, demo, events
from uamail.installation import Installation
from uamail.models import Batch, Delivery, Piece
from uamail.paths import TEMPLATES

NOWHERE = 1  # nothing of these runs goes out by e-mail

# Each shows its trouble under the signature of one supporter only.
TROUBLE = {
    "Ada Flex": "<div style='display:flex'>" * 14 + "x" + "</div>" * 14,
    "Ada Deep": "<div>" * 900 + "x" + "</div>" * 900,
    "Ada File": "<img src='file:///etc/passwd'>",
    "Ada Glyph": "\U000e1234",
    "Ada Index": "{{ signature[7] }}",
    "Ada Odd": "\u061c\U0002a5b3",
}
WHY = {
    "Ada Flex": "more than",
    "Ada Deep": "RecursionError",
    "Ada File": "refused to fetch an address (file)",
    "Ada Glyph": "no font has U+E1234",
    "Ada Index": "template print/letter.html: list has no such item",
    "Ada Odd": "preflight gate 3: Noto-Sans-Arabic is not an allowed font",
}
GOOD = 5

pytestmark = pytest.mark.parametrize("kind", ["sqlite"])


def written(home: Installation, extra: str) -> World:
    """The demonstration action on paper to one target, with a letter template of the operator's own."""
    own = home.home.root / "templates"
    shutil.copytree(TEMPLATES / "print", own / "print")
    letter = own / "print" / "letter.html"
    letter.write_text(letter.read_text("utf-8") + extra, "utf-8")
    settings = home.home.root / "uamail.toml"
    settings.write_text(f'templates_dir = "{own}"\n' + settings.read_text("utf-8"), "utf-8")
    action = demo()
    world = World(home)
    world.publish(replace(action, targets=(replace(action.targets[0], channels=("print",)),)))
    return world


def work(world: World) -> None:
    worker = processes.embedded(world.inst, NOWHERE)
    try:
        assert worker.wait(400) == 0, worker.said()
        said = worker.said()
    finally:
        worker.kill()
    assert "Ada" not in said


def batch(world: World) -> Batch:
    with world.inst.db.reading() as session:
        return session.execute(select(Batch)).scalars().one()


def test_hostile_letters_are_held_by_the_worker(home: Installation) -> None:
    cases = "".join(f'{{% if line == "{name}" %}}{html}{{% endif %}}' for name, html in TROUBLE.items())
    world = written(home, f"{{% for line in signature %}}{cases}{{% endfor %}}")
    world.sign(GOOD, contact=False)
    bad = {name: world.sign(1, name=name, contact=False)[0] for name in TROUBLE}

    work(world)

    one = batch(world)
    notes = {name: world.deliveries(Delivery.appeal_id == appeal)[0].note or "" for name, appeal in bad.items()}
    assert (one.state, one.attempts, one.pieces) == ("rendered", 1, GOOD)
    assert world.states() == {"batched": GOOD, "held:poison": 5, "held:glyph": 1}
    assert {name: notes[name] for name, why in WHY.items() if why not in notes[name]} == {}
    assert world.count(select(Piece).where(Piece.state == "held")) == len(TROUBLE)
    assert oracle.judge(world.inst, []).faults == {}


def test_letter_alone_in_its_batch_is_held(home: Installation) -> None:
    world = written(home, TROUBLE["Ada Deep"])
    world.sign(1, contact=False)

    work(world)

    assert (batch(world).state, batch(world).attempts) == ("cancelled", 1)
    assert world.states() == {"held:poison": 1}
    assert oracle.judge(world.inst, []).faults == {}


def test_hostile_template_fails_its_batch(home: Installation) -> None:
    world = written(home, TROUBLE["Ada File"])
    world.sign(GOOD, contact=False)

    work(world)

    assert (batch(world).state, batch(world).attempts) == ("sealed", 3)
    assert world.states() == {"batched": GOOD}
    said = [event["why"] for event in events(world, "batch:failed")]
    assert len(said) == 3
    assert all("letters of this batch cannot be laid out: refused to fetch an address (file)" in why for why in said)
