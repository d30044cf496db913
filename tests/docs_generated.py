"""The parts of the documentation that are made from the code: `python -m tests.docs_generated` writes them anew."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperArgument, TyperGroup

from tests.docs_pages import DOCS
from uamail.cli.app import app
from uamail.paths import CONFIG
from uamail.settings import LimitSettings

_BEGIN, _END = "<!-- made by python -m tests.docs_generated -->", "<!-- end of what is made -->"
_KEY = re.compile(r"^([\w]+) = ")
_TABLE = re.compile(r"^\[([^\]]+)\]$")
# Every limit has the same keys, and pacing.toml explains the limit, not the key.
_LIMIT = {
    "burst": "Mails that may go at once after a rest.",
    "count": "Mails in one period.",
    "period_seconds": "Length of the period in seconds.",
    "daily_cap": "Mails in a day of the recipient's zone, 0 for no cap; the rest goes the next day.",
    "lifetime_cap": "Mails in all, 0 for no cap; the rest waits until it is raised.",
    "spread": '"front" for as soon as possible, "even" for evenly over the time left until the deadline.',
    "window": "Hours in which mail may go (see above); none: always.",
}
_HOLIDAYS = (
    "Country (ISO 3166) -> days on which a window that names it stays shut, with their names; `config/holidays.toml`."
)


def made() -> dict[str, str]:
    """Page -> what its made part must be."""
    return {"commands.md": "\n\n".join(_commands()), "settings.md": "\n\n".join(_settings())}


def written(page: str) -> str:
    """What stands between the two marks of a page."""
    text = (DOCS / page).read_text("utf-8")
    return text.partition(_BEGIN)[2].partition(_END)[0].strip()


def leaves() -> dict[str, Any]:
    """Every command that does something, by its words after `uamail`."""
    root = typer.main.get_command(app)
    return dict(_leaves(root, ()))


def _leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if not isinstance(command, TyperGroup):
        yield " ".join(words), command
        return
    for name, one in command.commands.items():
        yield from _leaves(one, (*words, name))


def _commands() -> Iterator[str]:
    for words, command in leaves().items():
        lines = [f"### uamail {words}", "", _sentence(command.help), ""]
        shared = [f"`{one.opts[0]}`" for one in command.params if _shared(one)]
        lines += [_parameter(one) for one in command.params if one.name != "help" and not _shared(one)]
        if shared:
            lines.append(f"- {', '.join(shared)}: as everywhere")
        yield "\n".join(lines).rstrip()


def _shared(one: Any) -> bool:
    """Whether an option means the same in every command, so that it is explained once."""
    return one.name == "as_json" or (one.name == "home" and one.envvar is not None)


def _parameter(one: Any) -> str:
    told = str(one.help or "")
    choices = getattr(one.type_descriptor, "choices", None)
    if choices:
        told = f"{_sentence(told)} One of {', '.join(choices)}."
    if isinstance(one, TyperArgument):
        name = (one.metavar or one.name or "").upper().strip("[]")
        return f"- `{name}`{': ' + _sentence(told) if told else ''}"
    names = ", ".join(f"`{opt}`" for opt in (*one.opts, *one.secondary_opts))
    extra = "" if one.is_flag or one.default in (None, "") or callable(one.default) else f" Default: `{one.default}`."
    return f"- {names}{' (needed)' if one.required else ''}: {_sentence(told)}{extra}"


def _sentence(text: str | None) -> str:
    words = " ".join((text or "").split())
    return words if not words or words.endswith((".", ")", "…")) else f"{words}."


def settings() -> dict[str, tuple[str, str]]:
    """Every shipped setting: its default as TOML, and the sentence beside it in its file."""
    countries = ", ".join(tomllib.loads((CONFIG / "holidays.toml").read_text("utf-8"))["holidays"])
    return {**_explained("uamail.toml"), **_limits("pacing.toml"), "holidays": (countries, _HOLIDAYS)}


def _settings() -> Iterator[str]:
    sections: dict[str, list[str]] = {}
    for key, (default, words) in settings().items():
        section, _, _ = key.rpartition(".")
        sections.setdefault(section, []).append(f"| `{key}` | `{default}` | {words} |")
    for section, lines in sections.items():
        yield "\n".join(
            [f"### {section or 'at the top'}", "", "| setting | default | what it is |", "|---|---|---|", *lines]
        )


def _explained(name: str) -> dict[str, tuple[str, str]]:
    """Key -> default and the comment lines above it."""
    found: dict[str, tuple[str, str]] = {}
    table, words = "", []
    for line in (CONFIG / name).read_text("utf-8").splitlines():
        if line.startswith("#"):
            words.append(line.lstrip("# "))
            continue
        if heading := _TABLE.match(line):
            table = heading[1]
        elif key := _KEY.match(line):
            found[f"{table}.{key[1]}".lstrip(".")] = (line[key.end() :].strip(), " ".join(words))
        words = []
    return found


def _limits(name: str) -> dict[str, tuple[str, str]]:
    table: dict[str, Any] = tomllib.loads((CONFIG / name).read_text("utf-8"))
    return {
        f"pacing.{scope}.{key}": (str(limit.get(key, LimitSettings.model_fields[key].default)), words)
        for scope, limit in table["pacing"].items()
        for key, words in _LIMIT.items()
    }


def main() -> None:
    for page, part in made().items():
        path = DOCS / page
        before, _, rest = path.read_text("utf-8").partition(_BEGIN)
        path.write_text(f"{before}{_BEGIN}\n\n{part}\n\n{_END}{rest.partition(_END)[2]}", "utf-8")
        print(f"written: docs/{page}")


if __name__ == "__main__":
    main()
