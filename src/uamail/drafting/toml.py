"""A draft as an action file: every field in its order, and its doubts as comments beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from uamail.drafting.draft import Draft

MARK = "# DOUBT:"


def written(draft: Draft, *, source: str) -> str:
    """The text of the action file (TOML 1.0); `source` is the document's name."""
    doubts: dict[str, list[str]] = {}
    for one in draft.doubts:
        doubts.setdefault(one.field, []).append(f"{MARK} {one.words}")
    head = f"# Drafted from {source}. Look at every line that begins with {MARK!r}, then delete it."
    lines = [head, "# uamail action add reads the file, and names what is still missing.", ""]
    lines += [note for noun in ("target", "letter") for note in doubts.get(noun, ())]
    for name, value in draft.data.items():
        lines += _tables(name, value, doubts, name)
    return "\n".join(lines) + "\n"


def _tables(name: str, value: Any, doubts: Mapping[str, Sequence[str]], path: str) -> Iterator[str]:
    """A table, or one for each entry of a list of tables, with the tables in it."""
    if isinstance(value, list):
        for at, one in enumerate(value):
            yield from _table(f"[[{name}]]", name, one, doubts, f"{path}[{at}]")
    else:
        yield from _table(f"[{name}]", name, value, doubts, path)


def _table(
    head: str, name: str, values: Mapping[str, Any], doubts: Mapping[str, Sequence[str]], path: str
) -> Iterator[str]:
    yield from doubts.get(path, ())
    yield head
    for key, value in values.items():
        if not _is_table(value):
            yield from doubts.get(f"{path}.{key}", ())
            yield f"{key} = {_value(value)}"
    yield ""
    for key, value in values.items():
        if _is_table(value):
            yield from _tables(f"{name}.{key}", value, doubts, f"{path}.{key}")


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and value != [] and isinstance(value[0], dict))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | date):
        return str(value)
    if isinstance(value, list):
        inner = [_value(one) for one in value]
        if sum(map(len, inner)) < 80:
            return f"[{', '.join(inner)}]"
        return "[\n" + "".join(f"    {one},\n" for one in inner) + "]"
    # A JSON string is a basic string of TOML, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
