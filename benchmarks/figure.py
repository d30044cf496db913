"""A figure: what was measured, beside its peers, for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.table import Table

# The peer of a stage: the sum of all, so that the ratio is the stage's share.
ALL_STAGES = "all stages"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """The same figure of something else; `ratio` is ours divided by it."""

    value: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The median of `runs` runs."""

    name: str
    value: float
    unit: str
    runs: int
    peers: Mapping[str, Peer] = field(default_factory=dict)


def compared(name: str, unit: str, ours: Sequence[float], peers: Mapping[str, Sequence[float]]) -> Figure:
    """Medians of the runs, and the ratio of the medians. Units are such that more is better."""
    value = median(ours)
    beside = {peer: Peer(value=median(runs), ratio=value / median(runs)) for peer, runs in peers.items()}
    return Figure(name=name, value=value, unit=unit, runs=len(ours), peers=beside)


def shares(name: str, unit: str, stages: Mapping[str, float]) -> list[Figure]:
    """One figure per stage of a single run, in the order given."""
    total = sum(stages.values())
    return [
        Figure(
            name=f"{name}: {stage}",
            value=value,
            unit=unit,
            runs=1,
            peers={ALL_STAGES: Peer(value=total, ratio=value / total)},
        )
        for stage, value in stages.items()
    ]


def document(figures: Sequence[Figure]) -> dict[str, Any]:
    """The JSON document of `--json`."""
    return {
        "suite": [
            {
                "name": one.name,
                "value": _rounded(one.value),
                "unit": one.unit,
                "peers": {
                    name: {"value": _rounded(peer.value), "ratio": _rounded(peer.ratio)}
                    for name, peer in one.peers.items()
                },
                "runs": one.runs,
            }
            for one in figures
        ]
    }


def tables(figures: Sequence[Figure]) -> list[Table]:
    """For people: the ratios first, because absolute figures drift with the machine; then the stages."""
    beside = _table("ours beside the peers", ("what", "ratio", "beside", "ours", "peer", "unit", "runs"))
    within = _table("where the time goes", ("stage", "share", "ours", "unit"))
    for one, (name, peer) in ((figure, pair) for figure in figures for pair in figure.peers.items()):
        if name == ALL_STAGES:
            within.add_row(one.name, f"{peer.ratio:.0%}", _shown(one.value), one.unit)
        else:
            ratio = f"{_rounded(peer.ratio):g}"
            beside.add_row(one.name, ratio, name, _shown(one.value), _shown(peer.value), one.unit, str(one.runs))
    return [made for made in (beside, within) if made.row_count]


def _table(title: str, columns: Sequence[str]) -> Table:
    made = Table(title=title, title_justify="left")
    for column in columns:
        number = column in ("ratio", "ours", "peer", "runs", "share")
        made.add_column(column, justify="right" if number else "left", no_wrap=number)
    return made


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _rounded(value: float) -> float:
    """Three or four figures: the rest is noise."""
    return round(value) if value >= 1000 else float(f"{value:.3g}")
