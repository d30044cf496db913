"""What the code can say, read from its source: audit events with their facts, moves, environment variables."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.docs_pages import ROOT
from uamail.models import batch, delivery

_MOVES = {"delivery": delivery.MOVES, "batch": batch.MOVES}
_FOLDERS = ("src/uamail", "workers")


@cache
def trees() -> tuple[ast.Module, ...]:
    """Every module of the product, without the migrations (they are history)."""
    files = [file for folder in _FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return tuple(ast.parse(file.read_text("utf-8")) for file in files if "migrations" not in file.parts)


def _nodes() -> Iterator[ast.AST]:
    for tree in trees():
        yield from ast.walk(tree)


def events() -> dict[str, set[str]]:
    """Type of every audit event -> the facts that stand beside it in the source (the walk through finds the rest)."""
    found: dict[str, set[str]] = {}
    for node in _nodes():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Event" and node.args:
            facts = _facts(node.args[3]) if len(node.args) > 3 else set()
            for name in _types(node.args[0]):
                found.setdefault(name, set()).update(facts)
    return found


def _facts(node: ast.expr) -> set[str]:
    keys = node.keys if isinstance(node, ast.Dict) else []
    return {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def _types(node: ast.expr) -> set[str]:
    """A literal; `f"delivery:{to}"`, which any move may make; or a parameter, whose default and uses count."""
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.JoinedStr):
        prefix = node.values[0]
        assert isinstance(prefix, ast.Constant), ast.dump(node)
        noun = str(prefix.value).rstrip(":")
        return {f"{noun}:{state}" for ends in _MOVES[noun].values() for state in ends}
    if isinstance(node, ast.Name):
        return _given(node.id)
    # Event(event.type, …): the same event once more.
    assert isinstance(node, ast.Attribute), ast.dump(node)
    return set()


def _given(parameter: str) -> set[str]:
    """The texts that a parameter of that name has as its default or is called with."""
    found = set()
    for node in _nodes():
        if isinstance(node, ast.FunctionDef):
            pairs = [*zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
            found |= {_text(value) for argument, value in pairs if argument.arg == parameter}
        elif isinstance(node, ast.Call):
            found |= {_text(one.value) for one in node.keywords if one.arg == parameter}
    return {text for text in found if text}


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def moved_to(noun: str) -> set[str]:
    """Every state that some call of `noun.move(…)` names as its end."""
    calls = (node for node in _nodes() if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{noun}.move")
    return {_text(one.value) for call in calls for one in call.keywords if one.arg == "to"} - {""}


@cache
def attributes() -> set[str]:
    """Every attribute that is read somewhere: a setting that is not among them has no effect."""
    return {node.attr for node in _nodes() if isinstance(node, ast.Attribute)}


def variables() -> set[str]:
    """Environment variables of ours that the code names in full."""
    texts = (node.value for node in _nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {
        name for text in texts for name in re.findall(r"UAMAIL(?:_[A-Z]+)+(?![_A-Z])", text) if "RELAYS" not in name
    }
