"""The queue peer, as tutorials have it: a message a mail, an ORM row, an EmailMessage, `aiosmtplib.send`, a commit."""

import asyncio
import json
import sys
import time
from email.message import EmailMessage

import aiosmtplib
import dramatiq
from dramatiq.brokers.stub import StubBroker
from jinja2 import Environment
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks import home
from benchmarks.words import SENDER, words

broker = StubBroker()
dramatiq.set_broker(broker)


class Base(DeclarativeBase):
    pass


class Letter(Base):
    __tablename__ = "letter"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    recipient: Mapped[str]
    sent: Mapped[bool] = mapped_column(default=False)


database, port, mails = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
engine = create_engine(f"sqlite:///{database}")
wording = words()
text = Environment().from_string(wording.text)  # noqa: S701 - plain text
html = Environment(autoescape=True).from_string(wording.html)


@dramatiq.actor
def send(letter_id: int) -> None:
    with Session(engine) as session:
        letter = session.get_one(Letter, letter_id)
        made = EmailMessage()
        made["From"], made["To"], made["Subject"] = SENDER, letter.recipient, wording.subject
        made.set_content(text.render(name=letter.name))
        made.add_alternative(html.render(name=letter.name), subtype="html")
        asyncio.run(aiosmtplib.send(made, hostname="127.0.0.1", port=port))
        letter.sent = True
        session.commit()


def main() -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Letter(name=name, recipient=wording.recipient) for name in home.names(mails))
        session.commit()
    for number in range(1, mails + 1):
        send.send(number)
    worker = dramatiq.Worker(broker, worker_threads=8)
    began = time.perf_counter()
    worker.start()
    broker.join(send.queue_name)
    worker.join()
    print(json.dumps({"seconds": time.perf_counter() - began}))
    worker.stop()


if __name__ == "__main__":
    main()
