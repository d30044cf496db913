"""The pinned lists: complete, hashed, free of addresses, and in step with pyproject.toml."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[\w.!+]+) \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
LISTS = ["run.txt", "dev.txt"]
FILES = [*LISTS, "source.txt"]


def lines(name: str) -> list[str]:
    return (REQUIREMENTS / name).read_text(encoding="ascii").splitlines()


def pins(name: str) -> dict[str, str]:
    """Package to version, as the list says."""
    found = (PIN.fullmatch(line) for line in lines(name))
    return {match["name"]: match["version"] for match in found if match}


def wanted(table: str) -> list[Requirement]:
    """What pyproject.toml (or a .in file) asks for by name."""
    if table == "run.txt":
        asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        asked = [line for line in lines("dev.in") if line and not line.startswith("#")]
    return [Requirement(line) for line in asked]


@pytest.mark.parametrize("name", FILES)
def test_list_holds_pins_and_hashes_only(name: str) -> None:
    # Comments, options and addresses would tie the list to the machine that made it.
    other = [line for line in lines(name) if not PIN.fullmatch(line) and not HASH.fullmatch(line)]

    assert other == []


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_a_hash(name: str) -> None:
    content = lines(name)

    bare = [
        line for line, after in zip(content, [*content[1:], ""], strict=True) if "==" in line and "--hash" not in after
    ]

    assert bare == []


@pytest.mark.parametrize("name", LISTS)
def test_every_named_dependency_is_pinned(name: str) -> None:
    pinned = pins(name)

    unmet = [
        str(asked)
        for asked in wanted(name)
        if Version(pinned.get(canonicalize_name(asked.name), "0")) not in asked.specifier
    ]

    assert unmet == []


def test_development_list_contains_the_run_list() -> None:
    assert pins("run.txt").items() <= pins("dev.txt").items()


def test_installed_packages_are_the_pinned_ones() -> None:
    listed = {**pins("dev.txt"), **pins("source.txt")}

    different = {name: version(name) for name, pinned in listed.items() if version(name) != pinned}

    assert different == {}
