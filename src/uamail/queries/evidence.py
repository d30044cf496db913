"""Evidence: reading the record back: the story of one delivery."""

import json
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from uamail.errors import NotFound
from uamail.models import AuditEvent, AuditLeaf, AuditSpan, Delivery, Piece


def explain(session: Session, delivery_id: int) -> list[dict[str, Any]]:
    """All the record says of one delivery, its appeal and its batch, or the digest that lists it. Raises NotFound."""
    found = session.get(Delivery, delivery_id)
    if found is None:
        raise NotFound(f"no delivery {delivery_id}; uamail delivery list shows them")
    members = [("delivery", delivery_id)]
    if found.carrier_id is not None:
        members.append(("delivery", found.carrier_id))
    if found.appeal_id is not None:
        members.append(("appeal", found.appeal_id))
    batch_ids = set(session.execute(select(Piece.batch_id).where(Piece.delivery_id == delivery_id)).scalars())
    batch_ids |= {found.batch_id} if found.batch_id else set()
    members += [("batch", batch_id) for batch_id in sorted(batch_ids)]
    covers = or_(
        *(
            (AuditSpan.subject == subject) & (AuditSpan.first_id <= id) & (AuditSpan.last_id >= id)
            for subject, id in members
        )
    )
    query = (
        select(AuditEvent.id, AuditEvent.body, AuditLeaf.id.label("seq"), AuditSpan.subject)
        .join(AuditSpan, AuditSpan.event_id == AuditEvent.id)
        .outerjoin(AuditLeaf, AuditLeaf.event_id == AuditEvent.id)
        .where(covers)
        .order_by(AuditEvent.id)
        # An event about a digest and a letter that it lists is told once.
        .distinct()
    )
    return [{"seq": row.seq, "subject": row.subject, **json.loads(row.body)} for row in session.execute(query)]
