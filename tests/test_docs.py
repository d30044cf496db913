"""The documentation is complete, has nothing stale, and what it tells a reader to type works as it says."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from tests import docs_generated, docs_source
from tests.docs_pages import DOCS, ROOT, RUN, anchors, blocks, codes, links, pages, rows, section, text_of
from tests.docs_session import Ran, reader
from uamail.letters.person import LEVELS
from uamail.models import appeal, attempt, batch, delivery, incoming
from uamail.models.alert import CAUSES
from uamail.models.delivery import HOLD_REASONS, Exclusion
from uamail.models.release import Release
from uamail.settings import Settings

# In this order, in one directory: each goes on where the one before it ended.
WALK = ("quickstart", "auditors", "operators")
# Whole pages whose commands no test can run, and why.
ELSEWHERE = {
    "deployment.md": "installs packages and services on a machine of its own; scripts/cleanroot does that",
    "benchmarks.md": "takes minutes; tests/integration/test_bench_small.py runs a small form",
}
STATES = {
    "Delivery states": delivery.STATES,
    "Hold reasons": HOLD_REASONS,
    "Appeal states": appeal.STATES,
    "Alert causes": CAUSES,
    "Attempt outcomes": attempt.OUTCOMES,
    "Incoming kinds": incoming.KINDS,
    "Incoming states": incoming.STATES,
    "Batch states": batch.STATES,
    "Piece states": batch.PIECE_STATES,
    "Disclosure levels": LEVELS,
}
REFRESH = "python -m tests.docs_generated writes it anew"

page_names = pytest.mark.parametrize("page", [path.relative_to(ROOT).as_posix() for path in pages()])


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


@pytest.mark.parametrize("page", ["commands.md", "settings.md"])
def test_made_parts_are_up_to_date(page: str) -> None:
    assert docs_generated.written(page) == docs_generated.made()[page], REFRESH


def test_every_command_has_its_section() -> None:
    headings = re.findall(r"^### uamail (.+)$", text_of("commands.md"), re.MULTILINE)

    assert sorted(headings) == sorted(docs_generated.leaves())


def test_every_option_is_documented() -> None:
    for words, command in docs_generated.leaves().items():
        told = section(text_of("commands.md"), f"uamail {words}")

        for option in (opt for one in command.params for opt in one.opts if opt.startswith("-") and opt != "--help"):
            assert f"`{option}`" in told, f"uamail {words} {option}"


@page_names
def test_no_unknown_command_is_mentioned(page: str) -> None:
    known = set(docs_generated.leaves())
    groups = {words.split()[0] for words in known}

    for code in codes(read(page)):
        words = _command_words(code, groups)
        assert words is None or words in known, f"`{code}`"


def _command_words(code: str, groups: set[str]) -> str | None:
    """ "batch approve" for `uamail batch approve B2`; None for what names no command. `release UA` is `release run`."""
    parts = code.split()
    if parts[:1] != ["uamail"] or len(parts) < 2 or not parts[1].islower() or parts[1].startswith("-"):
        return None
    single = docs_generated.leaves().keys() - groups | {words for words in docs_generated.leaves() if " " not in words}
    if parts[1] in single:
        return parts[1]
    second = parts[2] if len(parts) > 2 else ""
    known = f"{parts[1]} {second}" in docs_generated.leaves()
    return "release run" if parts[1] == "release" and not known else f"{parts[1]} {second}"


@page_names
def test_no_unknown_option_is_mentioned(page: str) -> None:
    known = {
        opt
        for command in docs_generated.leaves().values()
        for one in command.params
        for opt in (*one.opts, *one.secondary_opts)
    }
    known |= {"--help", "--version", "--install-completion", "--show-completion"}

    for code in codes(read(page)):
        if code.startswith("uamail ") or (code.startswith("--") and Path(page).name not in ELSEWHERE):
            assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", code)) <= known, f"`{code}`"


def test_every_setting_is_documented() -> None:
    documented = set(rows(section(text_of("settings.md"), "Every setting")))

    assert documented == set(_keys(Settings, docs_generated.settings()))


def _keys(model: type[BaseModel], shipped: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every key of the settings; a table of tables has the names that are shipped."""
    for name, field in model.model_fields.items():
        key, kind = f"{prefix}{name}", field.annotation
        inner = get_args(kind)[1] if get_origin(kind) is dict else None
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, shipped, f"{key}.")
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            names = {one.split(".")[1] for one in shipped if one.startswith(f"{key}.")}
            yield from (full for one in names for full in _keys(inner, shipped, f"{key}.{one}."))
        elif name != "home_dir":
            yield key


def test_settings_without_effect_are_admitted() -> None:
    idle = {key for key in docs_generated.settings() if key.rpartition(".")[2] not in docs_source.attributes()}
    admitted = re.search(r"These have no effect yet: (.+?)\.\n", text_of("settings.md"))

    assert idle <= set(codes(admitted[1] if admitted else "")), "settings.md promises more than the code keeps"


def test_every_environment_variable_is_documented() -> None:
    documented = set(rows(section(text_of("settings.md"), "Environment")))

    assert documented == docs_source.variables()


@pytest.mark.parametrize("heading", STATES)
def test_every_state_is_documented(heading: str) -> None:
    assert list(rows(section(text_of("states.md"), heading))) == list(STATES[heading])


def test_checked_columns_are_documented() -> None:
    page = text_of("states.md")

    assert list(rows(section(page, "Exclusion reasons"))) == _allowed(Exclusion, "reason")
    assert list(rows(section(page, "Release states"))) == _allowed(Release, "state")


def _allowed(table: Any, column: str) -> list[str]:
    """The words that the CHECK of a column allows."""
    checks = [str(one.sqltext) for one in table.__table__.constraints if hasattr(one, "sqltext")]
    return re.findall(r"'(\w+)'", next(text for text in checks if text.startswith(f"{column} =")))


@pytest.mark.parametrize(("heading", "moves"), [("Delivery states", delivery.MOVES), ("Batch states", batch.MOVES)])
def test_every_move_is_documented(heading: str, moves: Mapping[str, tuple[str, ...]]) -> None:
    table = rows(section(text_of("states.md"), heading))

    for state, ends in moves.items():
        assert table[state].rpartition("|")[2].strip() == ", ".join(ends), state


@pytest.mark.parametrize("heading", ["Delivery states", "Batch states"])
def test_reserved_states_are_never_set(heading: str) -> None:
    table = rows(section(text_of("states.md"), heading))
    reserved = {state for state, told in table.items() if "*Reserved" in told}

    assert not reserved & docs_source.moved_to(heading.split(maxsplit=1)[0].lower()), (
        "no longer reserved: say what it means"
    )


def test_every_audit_event_is_documented() -> None:
    assert set(_events()) == set(docs_source.events())


def test_facts_in_the_source_are_documented() -> None:
    documented = _events()

    for name, facts in docs_source.events().items():
        assert facts - {"from"} <= documented[name], name


def _events() -> dict[str, set[str]]:
    """Documented events and their facts."""
    table = rows(section(text_of("states.md"), "Audit events"))
    return {name: set(codes(told.rpartition("|")[2])) for name, told in table.items()}


@page_names
def test_links_lead_somewhere(page: str) -> None:
    for link in links(read(page)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there.read_text("utf-8")), link


def test_every_page_is_on_the_map() -> None:
    linked = set(links(text_of("index.md")))

    assert {path.name for path in DOCS.glob("*.md")} - {"index.md"} <= linked


@page_names
def test_pages_name_no_place_of_this_machine(page: str) -> None:
    for line in read(page).splitlines():
        assert str(ROOT) not in line
        assert not re.search(r"/(home|root|work|tmp|Users)/", line), line


@page_names
def test_every_command_block_runs_or_says_why(page: str) -> None:
    for block in blocks(read(page)):
        walked = block.language == "console" and Path(page).stem in WALK
        if block.language in RUN and Path(page).name not in ELSEWHERE:
            assert walked or block.not_run, f"{page} is not walked through, and this has no reason: {block.text}"


def test_pictures_are_small() -> None:
    assert all(path.stat().st_size < 150_000 for path in (DOCS / "images").iterdir())


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Ran]]:
    """Every command of the pages of the walk, typed by one reader."""
    with reader(tmp_path_factory.mktemp("reader")) as one:
        done = {name: one.read(name, text_of(f"{name}.md")) for name in WALK}
        done["record"] = one.read(
            "record", "```console\n$ uamail audit export all.jsonl\n$ cat all.jsonl record.jsonl\n```\n"
        )
    return done


@pytest.mark.parametrize("name", WALK)
def test_commands_end_as_the_page_says(walked: dict[str, list[Ran]], name: str) -> None:
    assert walked[name], "nothing was run"
    for ran in walked[name]:
        assert ran.code == ran.command.code, f"$ {ran.command.text}\n{ran.output}"


@pytest.mark.parametrize("name", WALK)
def test_output_is_what_the_page_shows(walked: dict[str, list[Ran]], name: str) -> None:
    for ran in walked[name]:
        said = " ".join(ran.output.split())
        missing = _missing(said, ran.command.shown)
        assert missing is None, f"$ {ran.command.text}\nshould say: {missing}\nsaid: {ran.output}"


def _missing(said: str, shown: tuple[str, ...]) -> str | None:
    """The first shown line that does not follow the ones before it; "…" stands for anything, white space for any."""
    for line in shown:
        wanted = [re.escape(part) for part in (" ".join(piece.split()) for piece in line.split("…")) if part]
        found = re.search(r".*?".join(wanted), said)
        if found is None:
            return line
        said = said[found.end() :]
    return None


@pytest.mark.parametrize("name", ["quickstart", "auditors", "operators"])
def test_no_command_breaks(walked: dict[str, list[Ran]], name: str) -> None:
    ours = [ran for ran in walked[name] if "tamper.py" not in ran.command.text]

    assert not [ran.command.text for ran in ours if "Traceback" in ran.output]


def test_events_of_the_walk_are_documented(walked: dict[str, list[Ran]]) -> None:
    events = [json.loads(line) for line in walked["record"][1].output.splitlines()]
    own = {"seq", "leaf", "v", "type", "at", "actor", "from", "n", "set", "delivery", "appeal", "batch"}
    documented = _events()

    assert len(events) > 50
    for event in events:
        assert set(event) - own <= documented[event["type"]], event
