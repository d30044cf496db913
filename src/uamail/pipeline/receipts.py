"""The desk for mail to supporters: what became of each letter, read in one go, and the mail that says so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uamail import identity
from uamail.letters.language import match
from uamail.letters.receipt import OCCASIONS, ReceiptLine, available, receipt
from uamail.letters.words import MailWords
from uamail.mail.identity import page
from uamail.models import ActionRevision, Appeal, AuditCheckpoint, Batch, Delivery, Signer, Target, VaultItem
from uamail.models.batch import name_of
from uamail.models.delivery import LEAVING, LETTERS
from uamail.pipeline.writing import in_language
from uamail.vault import Keyring


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One mail to a supporter with all that is needed to write it; the address still sealed."""

    delivery_id: int
    appeal_id: int
    occasion: str
    language: str
    signer_id: int
    wrapped_key: bytes
    identity_box: bytes
    reference: str
    title: Mapping[str, str]
    letters: tuple[Mapping[str, Any], ...]
    checkpoint: str | None


def notices(session: Session, delivery_ids: Sequence[int]) -> list[Notice]:
    """The notices of deliveries to supporters, as things stand now; erased signers are left out."""
    query = (
        select(Delivery, Signer.wrapped_key, Signer.id.label("signer_id"), VaultItem.box, ActionRevision)
        .join(Appeal, Appeal.id == Delivery.appeal_id)
        .join(Signer, Signer.id == Appeal.signer_id)
        .join(VaultItem, (VaultItem.signer_id == Signer.id) & (VaultItem.kind == "identity"))
        .join(ActionRevision, ActionRevision.id == Delivery.revision_id)
        .where(Delivery.id.in_(delivery_ids), Signer.wrapped_key.is_not(None))
        .order_by(Delivery.id)
    )
    rows = session.execute(query).all()
    letters = _letters(session, [row.Delivery.appeal_id for row in rows])
    note = session.execute(select(AuditCheckpoint.note).order_by(AuditCheckpoint.size.desc()).limit(1)).scalar()
    return [
        Notice(
            delivery_id=row.Delivery.id,
            appeal_id=row.Delivery.appeal_id,
            occasion=row.Delivery.occasion,
            language=row.Delivery.language,
            signer_id=row.signer_id,
            wrapped_key=row.wrapped_key,
            identity_box=row.box,
            reference=f"UA {row.ActionRevision.content['ua']}",
            title=row.ActionRevision.content["title"],
            letters=tuple(letters.get(row.Delivery.appeal_id, ())),
            checkpoint=note,
        )
        for row in rows
    ]


@dataclass(frozen=True, kw_only=True)
class Told:
    """A mail to a supporter in words, the language it really is in, and whom it is for."""

    words: MailWords
    language: str
    name: str
    address: str

    def __repr__(self) -> str:
        return f"Told(language={self.language!r})"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How the letters of one appeal stand, for the page of its signer; `ids` are their deliveries, in that order."""

    language: str
    reference: str
    title: str
    lines: tuple[ReceiptLine, ...]
    ids: tuple[int, ...]
    contact: bool = True
    withdrawn: bool = False


def standing(session: Session, appeal_id: int, *, templates_dir: Any = None) -> Standing | None:
    """None when there is no such appeal, or its signer was forgotten."""
    query = (
        select(Appeal.language, Appeal.state, Signer.contact, ActionRevision.content)
        .join(ActionRevision, ActionRevision.id == Appeal.revision_id)
        .join(Signer, Signer.id == Appeal.signer_id)
        .where(Appeal.id == appeal_id, Appeal.state != "erased", Signer.wrapped_key.is_not(None))
    )
    row = session.execute(query).first()
    if row is None:
        return None
    spoken = match(row.language, available("mail/receipt", templates_dir)) or "en"
    letters = _letters(session, [appeal_id]).get(appeal_id, [])
    return Standing(
        language=spoken,
        reference=f"UA {row.content['ua']}",
        title=in_language(row.content["title"], spoken),
        lines=tuple(_line(letter, spoken) for letter in letters),
        ids=tuple(letter["id"] for letter in letters),
        contact=row.contact,
        withdrawn=row.state == "withdrawn",
    )


def _letters(session: Session, appeal_ids: Sequence[int | None]) -> dict[int, list[dict[str, Any]]]:
    query = (
        select(Delivery.appeal_id, Delivery.channel, Delivery.state, Delivery.reason, Delivery.changed_at, Target.name)
        .add_columns(
            Delivery.id, Delivery.batch_id, Batch.parent_id, Batch.reprint, Delivery.carrier_id, Target.position
        )
        .join(Target, Target.id == Delivery.target_id)
        .outerjoin(Batch, Batch.id == Delivery.batch_id)
        .where(Delivery.appeal_id.in_(appeal_ids), Delivery.kind.in_(LETTERS))
        .order_by(Delivery.appeal_id, Target.position, Delivery.channel)
    )
    rows = session.execute(query).all()
    signers = _signers(session, {row.carrier_id for row in rows if row.carrier_id is not None})
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        listed = row.carrier_id is not None and row.state == "batched"
        found.setdefault(row.appeal_id, []).append(
            {
                "id": row.id,
                "name": row.name,
                "channel": row.channel,
                # Listed in a mail that has not gone yet: to its signer it waits as before.
                "state": "queued" if listed else row.state,
                "signers": signers.get(row.carrier_id),
                "reason": row.reason,
                "batch": name_of(row.batch_id, row.parent_id, row.reprint) if row.batch_id else None,
                "date": row.changed_at,
            }
        )
    return found


def _signers(session: Session, carriers: Collection[int]) -> dict[int, int]:
    """How many signers each of these mails lists."""
    query = select(Delivery.carrier_id, func.count()).where(
        Delivery.carrier_id.in_(carriers), Delivery.state.not_in(LEAVING)
    )
    rows = session.execute(query.group_by(Delivery.carrier_id)) if carriers else ()
    return {carrier: n for carrier, n in rows if carrier is not None}


def tell(notice: Notice, *, keys: Keyring, public_url: str = "", templates_dir: Any = None) -> Told:
    """The words of the mail, and whom it is for; with a `public_url` it names their private page there.

    Raises InputError where a template is wrong.
    """
    person = identity.unseal(keys, notice.wrapped_key, notice.identity_box, signer_id=notice.signer_id)
    folder = f"mail/{OCCASIONS[notice.occasion]}"
    spoken = match(notice.language, available(folder, templates_dir)) or "en"
    words = receipt(
        language=spoken,
        ua_reference=notice.reference,
        title=in_language(notice.title, spoken),
        lines=[_line(letter, spoken) for letter in notice.letters],
        checkpoint=notice.checkpoint,
        occasion=notice.occasion,
        page=address(notice, keys=keys, public_url=public_url),
        templates_dir=templates_dir,
    )
    return Told(words=words, language=spoken, name=person.name, address=person.email or "")


def address(notice: Notice, *, keys: Keyring, public_url: str) -> str | None:
    """Where the private page of a notice's signer is; None where the house has no website."""
    return f"{public_url}/letters/{page(keys.message_id_key, notice.appeal_id)}" if public_url else None


def _line(letter: Mapping[str, Any], tag: str) -> ReceiptLine:
    moment: datetime = letter["date"]
    detail = {"reason": letter["reason"], "batch": letter["batch"], "date": moment.date().isoformat()}
    if letter["signers"] is not None:
        detail["signers"] = str(letter["signers"])
    return ReceiptLine(
        target_name=in_language(letter["name"], tag),
        channel=letter["channel"],
        state=letter["state"],
        detail={key: value for key, value in detail.items() if value is not None},
    )
