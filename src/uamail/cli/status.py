"""`uamail status` and `uamail forecast`: where everything is, and when it will be done."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import select

from uamail import db
from uamail.cli.action import UaArgument
from uamail.cli.desk import HomeOption, JsonOption, opened, show, table
from uamail.cli.switches import switches, warn
from uamail.errors import UamailError
from uamail.letters.alertwords import alert_words
from uamail.models import Action
from uamail.queries import finding, waiting
from uamail.queries import forecast as forecasts
from uamail.queries import status as statuses


class Unbalanced(UamailError):
    """The books do not balance; the differences are listed."""

    exit_code = 1


def status(
    home: HomeOption,
    ua: Annotated[str | None, typer.Argument(help="Only this action.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Counts by state, target and channel, and what keeps mail from leaving; exit code 1 when they do not balance."""
    with opened(home) as inst, inst.db.reading() as session:
        chosen = (
            [finding.action(session, ua)]
            if ua
            else list(session.execute(select(Action).order_by(Action.ua, Action.ordinal)).scalars())
        )
        rows = [statuses.status(session, one) for one in chosen]
        sending = switches(session, inst.settings)
        alerts = waiting.alerts(session)
    warn(sending)
    show(
        {"sending": sending, "actions": [row.plain() for row in rows], "alerts": alerts},
        as_json,
        *(partial(status_table, row) for row in rows),
        *(partial(_alert, one) for one in alerts),
    )
    differences = [line for row in rows for line in row.differences]
    if differences:
        raise Unbalanced("not balanced: " + "; ".join(differences))


def _alert(one: Mapping[str, Any]) -> str:
    words = alert_words(one["cause"], key=one["key"], n=one["n"], detail=one["detail"])
    return f"alert {one['id']}: {words.wrong} (uamail alerts list)"


def status_table(row: statuses.Status) -> Table:
    """Targets by channel: each state's count and what was excluded."""
    lines = []
    for target in dict.fromkeys((*row.deliveries, *row.excluded)):
        for channel in dict.fromkeys((*row.deliveries.get(target, {}), *row.excluded.get(target, {}))):
            states = row.deliveries.get(target, {}).get(channel, {})
            excluded = row.excluded.get(target, {}).get(channel, {})
            lines.append(
                (target, channel, sum(states.values()) + sum(excluded.values()), _words(states), _words(excluded))
            )
    lines += [("supporters", kind, sum(states.values()), _words(states), "") for kind, states in row.supporters.items()]
    lines += [(target, "digest", sum(states.values()), _words(states), "") for target, states in row.digests.items()]
    verdict = "balanced" if row.balanced else "NOT BALANCED"
    title = f"UA {row.ua}: {row.appeals} appeals, {row.unrouted} not routed yet, {verdict}"
    return table(title, ("target", "channel", "total", "states", "excluded"), lines)


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{state} {n}" for state, n in sorted(counts.items()))


def forecast(ua: UaArgument, home: HomeOption, as_json: JsonOption = False) -> None:
    """When each target will be done at the present pace, and how late against the deadline."""
    with opened(home) as inst, inst.db.reading() as session:
        found = finding.action(session, ua)
        rows = forecasts.forecast(
            session,
            found,
            rates=inst.rates,
            relay=inst.settings.mail.relay,
            fax=inst.fax_over,
            ways=inst.tariffs.transit,
            now=db.now(session),
        )
        key = found.key
    show({"ua": key, "forecast": [row.plain() for row in rows]}, as_json, lambda: forecast_table(key, rows))


def forecast_table(key: str, rows: list[forecasts.Forecast]) -> Table:
    return table(
        f"UA {key}: forecast",
        ("target", "channel", "pending", "a day", "done", "late (days)", "limit", "choices"),
        [
            (
                row.target,
                row.channel,
                row.pending,
                row.per_day,
                _done(row),
                round(row.late_days, 1) if row.late_days else None,
                row.decided_by,
                "; ".join(one.words for one in row.choices),
            )
            for row in rows
        ],
    )


def _done(row: forecasts.Forecast) -> str:
    if row.finishes_at is not None:
        return f"{row.finishes_at:%Y-%m-%d %H:%M} UTC"
    if row.post_by is not None:
        return f"post by {row.post_by}"
    return "with the next batch" if row.channel == "print" else "never"
