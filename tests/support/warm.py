"""What a forked process has read in before it begins: everything a worker, or a sink, imports."""

import os

# Before anything of ours is imported: the broker is chosen then.
os.environ["UAMAIL_EMBEDDED"] = "1"

from uamail.mail import sink
from workers import alerts, bounces, embedded, mail, printing, schedule

__all__ = ["alerts", "bounces", "embedded", "mail", "printing", "schedule", "sink"]
