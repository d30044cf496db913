"""Finding an action by what a person types: its key, its index, or a bare UA number when that is enough."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from uamail.actions import ua
from uamail.errors import NotFound, RuleRefused
from uamail.models import Action, ActionRevision, Target


def action(session: Session, text: str) -> Action:
    """The action meant by "61/21-2", "UA 061/21" or "ASA 17/5905/2022".

    Raises NotFound with what there is, RuleRefused with the candidates when several ordinals are meant.
    """
    if ua.is_index(text):
        query = select(Action).join(ActionRevision, ActionRevision.action_id == Action.id)
        found = session.execute(query.where(ActionRevision.index_number == text.strip()).distinct()).scalars().all()
    else:
        key = ua.parse(text)
        query = select(Action).where(Action.ua == key.ua).order_by(Action.ordinal)
        found = session.execute(query).scalars().all()
        found = [one for one in found if key.ordinal in (None, one.ordinal)]
    if len(found) > 1:
        raise RuleRefused(f"{text} may be {' or '.join(one.key for one in found)}: name one of them")
    if not found:
        there = session.execute(select(Action).order_by(Action.ua, Action.ordinal)).scalars()
        known = ", ".join(one.key for one in there) or "none yet: uamail action add FILE.toml"
        raise NotFound(f"no action {text}; there is {known}")
    return found[0]


def revision(session: Session, action_id: int) -> ActionRevision:
    """The newest revision of an action."""
    return session.execute(
        select(ActionRevision)
        .where(ActionRevision.action_id == action_id)
        .order_by(ActionRevision.number.desc())
        .limit(1)
    ).scalar_one()


def target(session: Session, action: Action, key: str) -> Target:
    """A target as the newest revision of an action has it. Raises NotFound with what there is."""
    query = select(Target).where(Target.revision_id == revision(session, action.id).id).order_by(Target.position)
    targets = session.execute(query).scalars().all()
    for one in targets:
        if one.key == key:
            return one
    raise NotFound(f"action {action.key} has no target {key}; it has {', '.join(one.key for one in targets)}")
