"""`python -m benchmarks.skeleton`: processor time for the bytes of a letter, by EmailMessage and by skeletons."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from statistics import median

from rich.console import Console

from benchmarks.figure import Figure, Peer, tables
from benchmarks.race import BenchmarkError, race
from uamail.letters.letter import Letter
from uamail.letters.merge import Drafting
from uamail.mail import dkimkey
from uamail.mail.dkim import Signer, SigningKey
from uamail.mail.message import dated
from uamail.mail.skeleton import Form, Own, Skeleton, Written

_ENGLISH = "I write to you about Ilham, who is held for nothing but what he wrote, and ask for his release. "
_CHINESE = "我寫信給您，關切這位僅因言論而被關押的人，並請求立即釋放他。"
_LETTER = Letter(
    language="zh-Hant",
    subject="釋放 / Release: UA 61/21",
    reference="UA 61/21 · ASA 17/4243/2021",
    salutation="部長先生:",
    paragraphs=tuple(f"{(_ENGLISH * 5).strip()}\n{_CHINESE * 4}" for _ in range(5)),
    demands=("立即釋放 / Release him.", "No torture."),
    closing="Yours sincerely,",
    signature=("Anna Example", "Switzerland"),
)
_OWN = Own(_LETTER.salutation, _LETTER.paragraphs, _LETTER.closing)
_TO, _SENDER, _DATE = ("The Minister", "minister@target.example"), "appeals@ua.example", dated(datetime.now(UTC))
_FIRST, _LAST = ("Anna", "Zoë", "Łukasz", "小明", "محمد", "John"), ("Example", "Müller", "王", "O'Neill")


def measure(*, runs: int = 5, seconds: float = 0.3) -> list[Figure]:
    """Microseconds of one core for a letter, beside the slow way to the same one. No name comes twice."""
    signers = _signers()
    model, own = (Skeleton.compile(Drafting(_LETTER), to=_TO, language="zh-Hant", form=form) for form in _forms())
    if model.refusal or own.refusal:
        raise BenchmarkError(f"no skeleton: {model.refusal or own.refusal}")
    plain = partial(_write, model, None)
    contestants: dict[str, Callable[[str], object]] = {
        "build": partial(_write, Skeleton(draft=model.draft, to=_TO, language="zh-Hant", form=model.form), None),
        "build, own words": partial(_write, Skeleton(draft=own.draft, to=_TO, language="zh-Hant", form=own.form), _OWN),
        "skeleton": plain,
        "skeleton and SHA-256": lambda name: plain(name).digest,
        "skeleton, own words": partial(_write, own, _OWN),
    }
    for mode, signer in signers.items():
        contestants[f"skeleton, DKIM {mode}"] = lambda name, signer=signer: signer.sign(plain(name).data)  # type: ignore[misc]
    names = _names()
    results = race({name: partial(_each, work, names, seconds) for name, work in contestants.items()}, runs=runs)
    return [_figure(name, results) for name in contestants]


def _forms() -> tuple[Form, Form]:
    return Form.of(_LETTER.signature), Form.of(_LETTER.signature, _OWN)


def _signers() -> dict[str, Signer]:
    rsa, ed25519 = (
        SigningKey("a", dkimkey.read(dkimkey.make("rsa"), kind="rsa")),
        SigningKey("b", dkimkey.read(dkimkey.make("ed25519"), kind="ed25519")),
    )
    modes = {"ed25519": (ed25519,), "rsa": (rsa,), "rsa+ed25519": (rsa, ed25519)}
    return {mode: Signer("ua.example", keys) for mode, keys in modes.items()}


def _names() -> Iterator[str]:
    """Names of several scripts, every one new, so that nothing is found in a cache."""
    for number in count():
        yield f"{_FIRST[number % len(_FIRST)]} {number} {_LAST[number % len(_LAST)]}"


def _write(skeleton: Skeleton, own: Own | None, name: str) -> Written:
    return skeleton.write(
        sender=(name, _SENDER),
        signature=(name, "Switzerland"),
        message_id="<abcdefghijklmnopqrstuvwxyz234567@ua.example>",
        date=_DATE,
        reply_to="office@ua.example",
        own=own,
    )


def _each(work: Callable[[str], object], names: Iterator[str], seconds: float) -> float:
    """Microseconds of this thread's processor time per letter; the names are made beforehand."""
    letters, spent = 0, 0.0
    while spent < seconds:
        chunk = [next(names) for _ in range(50)]
        began = time.thread_time()
        for name in chunk:
            work(name)
        spent, letters = spent + time.thread_time() - began, letters + len(chunk)
    return spent / letters * 1e6


def _figure(name: str, results: dict[str, list[float]]) -> Figure:
    slow = "build, own words" if name.endswith("own words") else "build"
    value, peer = median(results[name]), median(results[slow])
    peers = {} if name == slow else {slow: Peer(value=peer, ratio=value / peer)}
    return Figure(name=name, value=value, unit="µs a letter", runs=len(results[name]), peers=peers)


def main() -> None:
    """Print the figures."""
    figures = measure()
    console = Console(width=130)
    for one in figures:
        console.print(f"{one.name:32} {one.value:9.1f} {one.unit}")
    console.print(*tables(figures))


if __name__ == "__main__":
    main()
