"""What a supporter writes into any field is printed as written, or quarantined before it is a letter."""

import io
from dataclasses import replace

import pikepdf
import pytest

from tests.support.hostile.words import BARRED, MARKUP
from tests.support.world import World, demo
from uamail.errors import InputError
from uamail.installation import Installation
from uamail.pipeline import folder, rendering
from uamail.printing import preflight, reference
from uamail.wording import clean_name, clean_text

KINDS = pytest.mark.parametrize("kind", ["sqlite"])


@pytest.mark.parametrize("name", BARRED)
def test_barred_name_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        clean_name(name)


@pytest.fixture
def signed(home: Installation) -> World:
    """Everybody wrote markup into every field, and shows all of it."""
    world, action = World(home), demo()
    target = replace(action.targets[0], channels=("print",), disclosure="address")
    world.publish(replace(action, targets=(target,)))
    for text in MARKUP:
        field = clean_name(text)
        body = clean_text(f"I ask you to look into this.\n\n{text}\n\nThere is no more to say.")
        world.sign(name=field, locality=field, postcode="8000", address=(field, field), body=body, disclosure="address")
    world.route()
    world.collect()
    world.seal()
    return world


@KINDS
def test_markup_in_every_field_is_printed_as_text(signed: World) -> None:
    with signed.scope() as session:
        job = rendering.take(session, lease=signed.later() - signed.now, label_sheet="L7165", now=signed.now)
    assert job is not None
    sheets = folder.sheets_of(job, keys=signed.inst.keys)

    rendered = reference.render([sheet.source for sheet in sheets if sheet.source], profile=job.profile)

    findings = preflight.check(
        rendered.pdf,
        profile=job.profile,
        pages=rendered.pages,
        address_texts={sheet.number: sheet.address for sheet in sheets},
        texts={sheet.number: sheet.source.text for sheet in sheets if sheet.source},
    )
    assert (len(rendered.pages), rendered.refused, findings) == (len(MARKUP), (), ())
    with pikepdf.open(io.BytesIO(rendered.pdf)) as document:
        assert set(document.Root.keys()) == {"/Type", "/Pages"}
        assert not any("/Annots" in page.obj or "/AA" in page.obj for page in document.pages)
