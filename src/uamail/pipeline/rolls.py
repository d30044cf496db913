"""The desk for mails that list many signers: who is in one, read in one go, and the words made of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from uamail import identity
from uamail.errors import InputError
from uamail.letters import language
from uamail.letters.person import Person
from uamail.letters.roll import Listed, Section, roll_words
from uamail.letters.words import MailWords
from uamail.models import (
    ActionRevision,
    Appeal,
    Delivery,
    ModelLetter,
    Office,
    PetitionRun,
    Signer,
    Target,
    VaultItem,
)
from uamail.models.delivery import GATHERING, LEAVING, RUN
from uamail.pipeline.writing import Brief, Words, briefs, in_language, target_facts, words_of
from uamail.vault import Keyring

# So many signers stand in a digest that is looked at before a release: enough to judge it by.
SHOWN = 50


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One signer of a roll, still sealed; without a key nobody can name them any more."""

    signer_id: int
    country: str
    disclosure: str
    wrapped_key: bytes | None
    identity_box: bytes | None


@dataclass(frozen=True, kw_only=True)
class Roll:
    """One mail that lists signers, with all that is needed to write it. `total` counts everybody who has signed so far.

    `wrapped_key` is the run's own; empty for a preview, which has no run yet.
    """

    delivery_id: int
    revision_id: int
    recipient_key: str
    languages: tuple[str, ...]
    office: str
    reply_to: str
    target: Mapping[str, Any]
    words: Words
    listings: tuple[Listing, ...]
    total: int
    wrapped_key: bytes = b""

    @property
    def language(self) -> str:
        return self.languages[0]


def languages(session: Session, revision: ActionRevision) -> tuple[str, ...]:
    """The target's languages in which there is an approved letter, in their order.

    Where a person has let drafts go, a draft serves.
    """
    letters = select(ModelLetter.language, ModelLetter.review).where(ModelLetter.revision_id == revision.id)
    rows = session.execute(letters.order_by(ModelLetter.id)).all()
    there = [row.language for row in rows if row.review == "approved"] or [row.language for row in rows]
    found = [tag for wanted in revision.content["languages"] if (tag := language.match(wanted, there))]
    return tuple(dict.fromkeys(found or there[:1]))


def letters(session: Session, ids: Sequence[int]) -> list[Brief | Roll]:
    """What mails to targets are made of: briefs and, for deliveries of runs, rolls, in the order of the ids."""
    runs = select(Delivery.id).where(Delivery.id.in_(ids), Delivery.kind == RUN)
    carriers = set(session.execute(runs).scalars())
    single = [id for id in ids if id not in carriers]
    found: dict[int, Brief | Roll] = {one.delivery_id: one for one in briefs(session, single)}
    found |= {one.delivery_id: one for one in rolls(session, sorted(carriers))}
    return [found[id] for id in ids if id in found]


def shown(session: Session, ids: Sequence[int], *, among: Sequence[int]) -> list[Brief | Roll]:
    """The same to be looked at before they go; of `among`, what waits for a digest is shown as the digest it makes."""
    waiting: dict[tuple[int | None, int], list[int]] = defaultdict(list)
    columns = select(Delivery.id, Delivery.target_id, Delivery.revision_id).where(GATHERING, Delivery.run_id.is_(None))
    for start in range(0, len(among), 1000):
        some = columns.where(Delivery.id.in_(among[start : start + 1000])).order_by(Delivery.id)
        for row in session.execute(some):
            waiting[row.target_id, row.revision_id].append(row.id)
    listed = {id for group in waiting.values() for id in group}
    first = [id for group in waiting.values() for id in group[:SHOWN]]
    return [*drawn(session, first), *letters(session, [id for id in ids if id not in listed])]


def rolls(session: Session, carriers: Sequence[int]) -> list[Roll]:
    """The rolls of deliveries of runs, in the order of the ids; whoever has left the list is not in it."""
    query = (
        select(Delivery, PetitionRun)
        .join(PetitionRun, PetitionRun.id == Delivery.run_id)
        .where(Delivery.id.in_(carriers))
        .order_by(Delivery.id)
    )
    rows = session.execute(query).all()
    listed = _listings(session, Delivery.carrier_id.in_(carriers), Delivery.state.not_in(LEAVING))
    return [
        _roll(
            session,
            row.Delivery,
            listed.get(row.Delivery.id, ()),
            gone=row.PetitionRun.signatures - len(listed.get(row.Delivery.id, ())),
            total=row.PetitionRun.total,
            wrapped_key=row.PetitionRun.wrapped_key,
        )
        for row in rows
    ]


def drawn(session: Session, letters: Sequence[int]) -> list[Roll]:
    """The rolls that letters which wait for a digest would make now, one a target and office: to be looked at.

    Of a release's frozen letters it is always the same one, whatever has been signed since.
    """
    query = select(Delivery).where(Delivery.id.in_(letters)).order_by(Delivery.id)
    groups: dict[tuple[int | None, int, int], list[Delivery]] = defaultdict(list)
    for one in session.execute(query).scalars():
        groups[one.target_id, one.revision_id, one.office_id].append(one)
    made = []
    for some in groups.values():
        listed = _listings(session, Delivery.id.in_([one.id for one in some]))
        made.append(_roll(session, some[0], listed.get(None, ()), gone=0, total=len(some), wrapped_key=b""))
    return made


def _listings(session: Session, *chosen: ColumnElement[bool]) -> dict[int | None, Sequence[Listing]]:
    found: dict[int | None, list[Listing]] = defaultdict(list)
    for carrier, signer_id, country, disclosure, key, box in session.execute(_listed(*chosen)):
        found[carrier].append(
            Listing(signer_id=signer_id, country=country, disclosure=disclosure, wrapped_key=key, identity_box=box)
        )
    return dict(found)


def _listed(*chosen: ColumnElement[bool]) -> Any:
    identity_of = (VaultItem.signer_id == Signer.id) & (VaultItem.kind == "identity")
    return (
        select(Delivery.carrier_id, Signer.id, Appeal.country, Appeal.disclosure, Signer.wrapped_key, VaultItem.box)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .join(Signer, Signer.id == Appeal.signer_id)
        .outerjoin(VaultItem, identity_of)
        .where(*chosen)
        .order_by(Delivery.id)
    )


def _roll(
    session: Session, one: Delivery, listed: Sequence[Listing], *, gone: int, total: int, wrapped_key: bytes
) -> Roll:
    revision = session.get_one(ActionRevision, one.revision_id)
    office = session.get_one(Office, one.office_id)
    return Roll(
        delivery_id=one.id,
        revision_id=one.revision_id,
        recipient_key=one.recipient_key,
        languages=languages(session, revision),
        office=office.name,
        reply_to=office.reply_to,
        target=target_facts(session.get_one(Target, one.target_id)),
        words=words_of(session, one.revision_id),
        listings=tuple(listed),
        total=total - gone,
        wrapped_key=wrapped_key,
    )


def write(roll: Roll, *, keys: Keyring, templates_dir: Path | None) -> MailWords:
    """The mail in words. Raises InputError when it lists nobody, or somebody who was erased meanwhile."""
    if not roll.listings:
        raise InputError("nobody is left in it")
    return roll_words(
        subject=roll.words.letters[roll.language]["subject"],
        reference=roll.words.reference,
        sections=[_section(roll, tag) for tag in roll.languages],
        listed=[_person(one, keys) for one in roll.listings],
        cap=roll.target["cap"],
        total=roll.total,
        templates_dir=templates_dir,
    )


def _section(roll: Roll, tag: str) -> Section:
    model = roll.words.letters[tag]
    return Section(
        language=tag,
        salutation=in_language(roll.target["salutation"], tag),
        paragraphs=tuple(model["paragraphs"]),
        demands=tuple(model["demands"]),
        closing=model["closing"],
    )


def _person(one: Listing, keys: Keyring) -> Listed:
    if one.wrapped_key is None or one.identity_box is None:
        raise InputError("the signer was erased")
    who = identity.unseal(keys, one.wrapped_key, one.identity_box, signer_id=one.signer_id)
    return Listed(person=Person(name=who.name, country=one.country, locality=who.locality), level=one.disclosure)
