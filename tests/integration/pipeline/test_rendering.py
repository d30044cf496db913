"""Rendering: a sealed batch becomes its folder, once, and what cannot be printed is held and said."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pypdfium2 as pdfium
import pytest
from sqlalchemy import select, update

from tests.support import oracle
from tests.support.world import World, events
from uamail.errors import PrintError, RuleRefused
from uamail.installation import Installation
from uamail.models import Appeal, AuditEvent, Batch, BatchFile, Delivery, Piece
from uamail.models.batch import MOST_ATTEMPTS
from uamail.pipeline import batching, checking, contents, folder, posting, rebuilding, recall, rendering
from uamail.pipeline.folder import Job, Papers, Sheet
from uamail.printing import lanes, preflight, profile, reference
from uamail.printing.rendered import Rendered
from uamail.store import Stored

LEASE = timedelta(minutes=15)
FILES = {
    *("letters.pdf", "proof.pdf", "cover.pdf", "address.pdf"),
    *("pieces.csv", "manifest.json", "SHA256SUMS"),
}


@pytest.fixture
def sealed(world: World) -> World:
    """Two letters for one target in a sealed batch."""
    with world.scope() as session:
        for scope in ("jia-yucun", "leng-zixing"):
            recall.stop(session, "target", f"99/26-1/{scope}", reason="test", **world.when)
    world.letters(1)
    world.letters(1, language="en", country="CH", name="Bea Example")
    world.collect()
    batching_sealed(world)
    return world


def batching_sealed(world: World) -> None:
    assert world.seal() > 0


def take(world: World, *, lease: timedelta = LEASE) -> Job | None:
    with world.scope() as session:
        return rendering.take(session, lease=lease, label_sheet="L7165", now=world.now)


def render(inst: Installation, job: Job) -> tuple[Papers, Mapping[str, Stored], bytes]:
    sheets = folder.sheets_of(job, keys=inst.keys)
    sources = [sheet.source for sheet in sheets if sheet.source is not None]
    rendered = lanes.render(sources, profile=job.profile)
    made = contents.papers(job, sheets, rendered, tariffs=inst.tariffs, to_pdf=reference.render_html)
    key, wrapped = inst.keys.new_key()
    return made, {name: inst.store.put(data, key=key) for name, data in made.files.items()}, wrapped


def finish(world: World, job: Job, rendered: tuple[Papers, Mapping[str, Stored], bytes]) -> bool:
    made, stored, wrapped = rendered
    with world.scope() as session:
        return rendering.finish(session, job, made, stored, wrapped_key=wrapped, **world.when)


def batch(world: World, id: int) -> Batch:
    with world.inst.db.reading() as session:
        return session.get_one(Batch, id)


def test_sealed_batch_becomes_its_folder(sealed: World) -> None:
    job = take(sealed)
    assert job is not None
    rendered = render(sealed.inst, job)

    done = finish(sealed, job, rendered)

    one = batch(sealed, job.batch_id)
    with sealed.inst.db.reading() as session:
        files = {file.name: file for file in session.execute(select(BatchFile)).scalars()}
        pieces = session.execute(select(Piece).order_by(Piece.number)).scalars().all()
    key = sealed.inst.keys.unwrap(one.wrapped_key or b"")
    stored = {name: sealed.inst.store.read(file.stored_as, key=key) for name, file in files.items()}
    pdf = pdfium.PdfDocument(io.BytesIO(stored["letters.pdf"]))
    manifest = json.loads(stored["manifest.json"])
    assert (done, one.state, one.pieces, one.lease_until) == (True, "rendered", 2, None)
    assert set(files) == FILES
    assert (one.pdf_sha256, one.pages) == (files["letters.pdf"].sha256, len(pdf))
    assert [(piece.number, piece.state) for piece in pieces] == [(1, "printed"), (2, "printed")]
    assert [piece.first_page for piece in pieces] == [1, (pieces[0].last_page or 0) + 1]
    assert manifest["batch"]["id"] == f"B{job.batch_id}" if isinstance(manifest.get("batch"), dict) else True
    assert oracle.judge(sealed.inst, []).faults == {}
    with sealed.inst.db.reading() as session:
        assert len(session.execute(select(Appeal.id).where(Appeal.touched)).all()) == 2


def test_second_result_for_a_batch_is_refused(sealed: World) -> None:
    job = take(sealed, lease=timedelta(seconds=1))
    assert job is not None
    rendered = render(sealed.inst, job)
    sealed.later(seconds=2)
    again = take(sealed)
    assert again is not None

    stale, fresh, late = finish(sealed, job, rendered), finish(sealed, again, rendered), finish(sealed, again, rendered)

    assert (job.attempt, again.attempt) == (1, 2)
    assert (stale, fresh, late) == (False, True, False)
    assert sealed.count(select(Piece)) == 2


def test_unprintable_letter_is_held_alone(world: World) -> None:
    with world.scope() as session:
        for key in ("jia-yucun", "leng-zixing"):
            recall.stop(session, "target", f"99/26-1/{key}", reason="test", **world.when)
    world.letters(1)
    # Linear A: no font of ours draws it, and a name is never refused for it.
    [strange] = world.letters(1, name="Ada \U00010600\U00010601")
    world.collect()
    world.seal()
    job = take(world)
    assert job is not None

    finish(world, job, render(world.inst, job))

    one = batch(world, job.batch_id)
    [held] = world.deliveries(
        Delivery.appeal_id == strange, Delivery.recipient_key == "zhen-shiyin", Delivery.channel == "print"
    )
    with world.inst.db.reading() as session:
        pieces = sorted(session.execute(select(Piece.state, Piece.reason)).all())
    assert (one.state, one.pieces) == ("rendered", 1)
    assert (held.state, held.reason, held.batch_id) == ("held", "glyph", None)
    assert "U+10600" in (held.note or "")
    assert [tuple(row) for row in pieces] == [("held", "glyph"), ("printed", None)]
    assert oracle.judge(world.inst, []).faults == {}


def test_manifest_and_event_tell_the_lanes(sealed: World) -> None:
    sealed.letters(1, body="I ask you myself to set them free.", name="Cleo Example")
    sealed.collect()
    sealed.seal()
    jobs = [job for job in (take(sealed), take(sealed)) if job is not None]

    manifests = {}
    for job in jobs:
        rendered = render(sealed.inst, job)
        manifests[job.name] = json.loads(rendered[0].files["manifest.json"])
        finish(sealed, job, rendered)

    with sealed.inst.db.reading() as session:
        query = select(AuditEvent.body).where(AuditEvent.type == "batch:rendered").order_by(AuditEvent.id)
        facts = [json.loads(body) for body in session.execute(query).scalars()]
    model, own = manifests.values()
    assert (model["lanes"], model["detours"]) == ({"stitched": 2, "reference": 0}, [])
    assert own["lanes"] == {"stitched": 0, "reference": 1}
    assert own["detours"] == [{"letter_ref": f"{jobs[1].name}-0001", "lane": "reference", "reason": "own words"}]
    assert [(one["stitched"], one["reference"]) for one in facts] == [(2, 0), (0, 1)]


def test_batch_is_leased_to_one(sealed: World) -> None:
    first, second = take(sealed), take(sealed)
    sealed.later(minutes=16)
    third = take(sealed)

    assert first is not None
    assert second is None
    assert third is not None
    assert (first.attempt, third.attempt) == (1, 2)


def test_batch_that_kills_its_workers_waits(sealed: World) -> None:
    for _ in range(MOST_ATTEMPTS):
        assert take(sealed) is not None
        sealed.later(minutes=16)

    with sealed.inst.db.reading() as session:
        waiting = rendering.waiting(session, now=sealed.now)
        unfinished = rendering.unfinished(session)
    assert take(sealed) is None
    assert (waiting, unfinished) == (False, False)


def test_failed_rendering_is_recorded_and_free_again(sealed: World) -> None:
    job = take(sealed)
    assert job is not None
    with sealed.scope() as session:
        rendering.fail(session, job, why="字體缺失" * 200, **sealed.when)

    again = take(sealed)

    assert again is not None
    assert again.attempt == 2
    assert batch(sealed, job.batch_id).state == "sealed"


def test_withdrawn_piece_is_not_rendered(sealed: World) -> None:
    [first, _] = [one for one in sealed.deliveries(Delivery.state == "batched")]
    with sealed.scope() as session:
        session.execute(
            update(Delivery).where(Delivery.id == first.id).values(state="held", reason="operator", batch_id=None)
        )

    job = take(sealed)

    assert job is not None
    assert first.id not in [brief.delivery_id for brief in job.briefs]


def test_emptied_batch_is_cancelled(sealed: World) -> None:
    with sealed.scope() as session:
        session.execute(update(Delivery).where(Delivery.state == "batched").values(state="withdrawn", batch_id=None))
    with sealed.scope() as session:
        session.execute(update(Delivery).where(Delivery.state == "withdrawn").values(batch_id=1))

    job = take(sealed)
    assert job is not None
    assert job.briefs == ()
    with sealed.scope() as session:
        rendering.empty(session, job, **sealed.when)

    assert batch(sealed, job.batch_id).state == "cancelled"


@pytest.mark.parametrize(
    ("name", "address", "shown", "rows"),
    [
        ("Office", ["1 Street", "Town"], "Office, 1 Street, Town", 1),
        ("A long office name that says it all", ["A long office name", "1 Example Street", "Town 12345"], "A long", 1),
        (
            "Office",
            [
                "A very long name of a very long office",
                "1234 Extremely Long Example Street, Third Building",
                "Town 1234567",
            ],
            "A very",
            2,
        ),
    ],
)
def test_return_line_stays_in_its_strip(sealed: World, name: str, address: list[str], shown: str, rows: int) -> None:
    job = take(sealed)
    assert job is not None
    job = replace(job, profile=profile.load("din5008-b"), office={**job.office, "name": name, "address": address})

    [first, *_] = folder.sheets_of(job, keys=sealed.inst.keys)
    assert first.source is not None
    made = reference.render([first.source], profile=job.profile)

    found = preflight.check(
        made.pdf, profile=job.profile, pages=made.pages, address_texts={first.number: first.address}, texts={}
    )
    assert [one.words for one in found] == []
    assert f">{shown}" in first.source.html
    assert ("white-space: normal" in first.source.html) is (rows == 2)


def test_return_line_is_never_clipped(sealed: World) -> None:
    job = take(sealed)
    assert job is not None
    job = replace(job, profile=profile.load("din5008-b"), office={**job.office, "address": ["Street " * 40]})

    with pytest.raises(PrintError, match="return address of the office"):
        folder.sheets_of(job, keys=sealed.inst.keys)


def test_batch_whose_every_letter_was_withdrawn_is_cancelled(sealed: World) -> None:
    for one in sealed.deliveries(Delivery.state == "batched"):
        with sealed.scope() as session:
            recall.withdraw(session, one.appeal_id or 0, **sealed.when)

    job = take(sealed)
    assert job is not None
    with sealed.scope() as session:
        rendering.empty(session, job, **sealed.when)

    assert (job.briefs, batch(sealed, job.batch_id).state) == ((), "cancelled")


def test_pieces_are_sorted_by_addressee_and_language(world: World) -> None:
    world.letters(2, language="fr")
    world.letters(2, language="de")
    world.collect()
    with world.scope() as session:
        session.execute(update(Batch).where(Batch.pieces < 8).values(state="cancelled"))
        batching.seal(session, rules=_rules(), force=True, **world.when)
    job = take(world)
    assert job is not None

    sheets = folder.sheets_of(job, keys=world.inst.keys)

    order = [(sheet.brief.recipient_key, sheet.brief.language) for sheet in sheets]
    assert [sheet.number for sheet in sheets] == list(range(1, 9))
    assert len(set(order)) == len([one for place, one in enumerate(order) if place == 0 or order[place - 1] != one])


def test_equal_lengths_stand_together(world: World) -> None:
    with world.scope() as session:
        for key in ("jia-yucun", "leng-zixing"):
            recall.stop(session, "target", f"99/26-1/{key}", reason="test", **world.when)
    tall, wide = "\n\n".join(["Please."] * 60), "A longer word or two. " * 40
    world.letters(1, language="en", country="CH", body=tall)
    world.letters(1, language="en", country="CH", body=wide)
    world.collect()
    world.seal()
    job = take(world)
    assert job is not None
    before = folder.sheets_of(job, keys=world.inst.keys)

    def laid_out(sheets: Sequence[Sheet]) -> Rendered:
        return reference.render([one.source for one in sheets if one.source is not None], profile=job.profile)

    pages = folder.out_of_order(before, laid_out(before))
    assert pages is not None
    after = folder.sheets_of(job, keys=world.inst.keys, pages=pages)

    assert [one.brief.delivery_id for one in after] == [one.brief.delivery_id for one in reversed(before)]
    assert folder.out_of_order(after, laid_out(after)) is None


def _rules() -> batching.Rules:
    from tests.support.world import RULES

    return RULES


def rendered_batch(world: World) -> Batch:
    job = take(world)
    assert job is not None
    assert finish(world, job, render(world.inst, job))
    return batch(world, job.batch_id)


def pages(world: World) -> checking.Pages | None:
    with world.scope() as session:
        return checking.take(session, lease=LEASE, now=world.now)


def read_back(world: World, problem: str | None = None) -> None:
    taken = pages(world)
    assert taken is not None
    with world.scope() as session:
        checking.done(session, taken, problem=problem, **world.when)


def approve(world: World) -> None:
    with world.scope() as session:
        posting.carry(session, session.execute(select(Batch)).scalar_one(), to="approved", **world.when)


def test_batch_is_approved_when_all_was_read(sealed: World) -> None:
    one = rendered_batch(sealed)
    with pytest.raises(RuleRefused, match="being read back"):
        approve(sealed)

    read_back(sealed)
    approve(sealed)

    assert batch(sealed, one.id).state == "approved"
    assert [event["batch"] for event in events(sealed, "batch:checked")] == [one.id]


def test_finding_stops_the_batch_in_words(sealed: World) -> None:
    one = rendered_batch(sealed)
    read_back(sealed, "preflight gate 7 (barcode), piece 1, page 1, the code cannot be read")

    with pytest.raises(PrintError, match="B1 goes no further: preflight gate 7") as refused:
        approve(sealed)

    assert refused.value.exit_code == 1
    assert (batch(sealed, one.id).state, pages(sealed)) == ("rendered", None)
    assert "gate 7" in events(sealed, "batch:failed")[-1]["why"]


def test_pages_are_read_by_one_at_a_time(sealed: World) -> None:
    rendered_batch(sealed)

    first, second = pages(sealed), pages(sealed)
    sealed.later(minutes=16)
    third = pages(sealed)

    assert first is not None
    assert second is None
    assert third is not None
    assert first.numbers == third.numbers
    assert [(row.first_page, row.last_page) for row in first.pages] == [(1, 1), (2, 2)]


def test_late_reader_says_nothing_of_other_pages(sealed: World) -> None:
    one = rendered_batch(sealed)
    late = pages(sealed)
    assert late is not None
    with sealed.scope() as session:
        recall.withdraw(session, late.job.briefs[0].appeal_id, **sealed.when)
    again = rendered_batch(sealed)

    with sealed.scope() as session:
        taken = checking.done(session, late, problem="a page is gone", **sealed.when)

    assert again.id == one.id
    assert taken is False
    assert (batch(sealed, one.id).checked_at, batch(sealed, one.id).problem) == (None, None)


def test_late_layout_prints_no_withdrawn_letter(sealed: World) -> None:
    job = take(sealed)
    assert job is not None
    rendered = render(sealed.inst, job)
    sealed.later(minutes=16)
    with sealed.scope() as session:
        recall.withdraw(session, job.briefs[0].appeal_id, **sealed.when)

    assert not finish(sealed, job, rendered)
    assert batch(sealed, job.batch_id).state == "sealed"


@pytest.mark.parametrize("state", ["sealed", "rendered"])
def test_batch_that_was_given_up_is_tried_again(sealed: World, state: str) -> None:
    if state == "sealed":
        for _ in range(MOST_ATTEMPTS):
            job = take(sealed)
            assert job is not None
            with sealed.scope() as session:
                rendering.fail(session, job, why="a broken template", **sealed.when)
    else:
        rendered_batch(sealed)
        read_back(sealed, "preflight gate 5 (window)")
    assert (take(sealed), pages(sealed)) == (None, None)

    with sealed.scope() as session:
        one = session.execute(select(Batch)).scalar_one()
        rebuilding.again(session, one, why="the template is mended", **sealed.when)

    rendered_batch(sealed)
    read_back(sealed)
    approve(sealed)
    with pytest.raises(RuleRefused, match="not given up"), sealed.scope() as session:
        rebuilding.again(session, session.execute(select(Batch)).scalar_one(), why="", **sealed.when)
