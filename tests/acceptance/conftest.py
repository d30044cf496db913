"""The story with every kind of worker, played once for all tests that look at it."""

import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import stage
from tests.acceptance.paper import Folder
from tests.acceptance.story import ACTION, PRESIDENT, Story
from tests.support.databases import Templates
from uamail.mail import message
from uamail.mail.message import ReadMail

_redis = (pytest.mark.redis, pytest.mark.postgres)
_rabbitmq = (pytest.mark.rabbitmq, pytest.mark.postgres)
PLAYS = [
    pytest.param(("embedded", 500), id="embedded-500"),
    pytest.param(("redis", 60), id="redis-60", marks=_redis),
    pytest.param(("rabbitmq", 60), id="rabbitmq-60", marks=_rabbitmq),
    pytest.param(("redis", 500), id="redis-500", marks=(*_redis, pytest.mark.nightly)),
    pytest.param(("rabbitmq", 500), id="rabbitmq-500", marks=(*_rabbitmq, pytest.mark.nightly)),
]


@pytest.fixture(scope="module", params=PLAYS)
def story(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """The story, played once for all tests of one kind of worker; they only look."""
    kind, signers = request.param
    folder = tmp_path_factory.mktemp(f"story-{kind}")
    with _played(kind, folder, templates, signers) as played:
        yield played


def _played(kind: str, folder: Path, templates: Templates, signers: int) -> AbstractContextManager[Story]:
    if kind == "embedded":
        return stage.embedded(folder, signers=signers)
    broker = {"redis": stage.redis_broker, "rabbitmq": stage.rabbitmq_broker}[kind]
    return stage.distributed(folder, templates, broker, signers=signers)


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    return tomllib.loads(ACTION.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def letters(story: Story) -> dict[int, ReadMail]:
    """The mails that reached the president, parsed back, by delivery."""
    by_id = {one["message_id"]: one["id"] for one in story.of(target="xi-jinping", channel="mail")}
    return {by_id[mail.message_id]: message.read(mail.data) for mail in story.received if mail.recipient == PRESIDENT}


@pytest.fixture(scope="module")
def folders(story: Story) -> list[Folder]:
    return [Folder(path) for path in sorted(story.exports.iterdir())]


@pytest.fixture(scope="module")
def told(story: Story) -> list[tuple[dict[str, Any], ReadMail]]:
    """The mails that reached supporters, parsed back, each with its delivery."""
    by_id = {one["message_id"]: one for one in (*story.of(kind="notice"), *story.of(kind="receipt"))}
    return [(by_id[mail.message_id], message.read(mail.data)) for mail in story.received if mail.message_id in by_id]
