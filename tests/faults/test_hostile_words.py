"""What a supporter writes into any field is printed as written, or quarantined before it is a letter."""

import io
from dataclasses import replace
from datetime import timedelta

import pikepdf
import pytest

from tests.support.hostile.words import BARRED, MARKUP
from tests.support.world import World, demo
from uamail.errors import InputError
from uamail.installation import Installation
from uamail.pipeline import folder, rendering
from uamail.printing import preflight, reference
from uamail.wording import clean_name, clean_text

# Fontconfig says that an allowed font draws it; the layout engine takes another, and preflight would stop the batch.
ODD = "I ask you \u061c\U0002a5b3 to look into this."

KINDS = pytest.mark.parametrize("kind", ["sqlite"])


@pytest.mark.parametrize("name", BARRED)
def test_barred_name_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        clean_name(name)


def on_paper(home: Installation) -> World:
    """The demonstration action on paper to one target, who may be shown everything."""
    world, action = World(home), demo()
    target = replace(action.targets[0], channels=("print",), disclosure="address")
    world.publish(replace(action, targets=(target,)))
    return world


def sheets_of(world: World) -> tuple[folder.Job, list[folder.Sheet]]:
    world.route()
    world.collect()
    world.seal()
    with world.scope() as session:
        job = rendering.take(session, lease=timedelta(minutes=5), label_sheet="L7165", now=world.now)
    assert job is not None
    return job, folder.sheets_of(job, keys=world.inst.keys)


def findings(
    job: folder.Job, sheets: list[folder.Sheet], rendered: reference.Rendered
) -> tuple[preflight.Finding, ...]:
    return preflight.check(
        rendered.pdf,
        profile=job.profile,
        pages=rendered.pages,
        address_texts={sheet.number: sheet.address for sheet in sheets},
        texts={sheet.number: sheet.source.text for sheet in sheets if sheet.source},
    )


@KINDS
def test_markup_in_every_field_is_printed_as_text(home: Installation) -> None:
    world = on_paper(home)
    for text in MARKUP:
        field = clean_name(text)
        body = clean_text(f"I ask you to look into this.\n\n{text}\n\nThere is no more to say.")
        world.sign(name=field, locality=field, postcode="8000", address=(field, field), body=body, disclosure="address")
    job, sheets = sheets_of(world)

    rendered = reference.render([sheet.source for sheet in sheets if sheet.source], profile=job.profile)

    assert (len(rendered.pages), rendered.refused, findings(job, sheets, rendered)) == (len(MARKUP), (), ())
    with pikepdf.open(io.BytesIO(rendered.pdf)) as document:
        assert set(document.Root.keys()) == {"/Type", "/Pages"}
        assert not any("/Annots" in page.obj or "/AA" in page.obj for page in document.pages)


@KINDS
def test_odd_characters_hold_their_letter_only(home: Installation) -> None:
    world = on_paper(home)
    world.sign(3)
    world.sign(1, body=ODD)
    job, sheets = sheets_of(world)
    sources = [sheet.source for sheet in sheets if sheet.source]

    rendered = reference.render(sources, profile=job.profile, proofread=True)

    [odd] = rendered.refused
    good = [source for source in sources if source.number != odd.number]
    assert "not an allowed font" in odd.detail
    assert rendered.pdf == reference.render(good, profile=job.profile).pdf
    assert findings(job, sheets, rendered) == ()
