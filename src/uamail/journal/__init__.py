"""The journal: what a sending process was about to do and what came of it, in files that outlive its death.

A folder a process: `head` (locked while the process lives) and numbered segments of lines. `S` is written before a
message's content, `D` after the reply, so that after a kill each message is known as not begun, answered, or uncertain.
"""

from uamail.journal.book import Answer, Book, Entry, read
from uamail.journal.folder import Journals
from uamail.journal.writer import Fenced, Journal

__all__ = ["Answer", "Book", "Entry", "Fenced", "Journal", "Journals", "read"]
