"""The skeletons in use: made when first needed, the least used ones forgotten."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from uamail.mail.skeleton import Skeleton


class Skeletons:
    """At most `most` skeletons (some 30 kB each) by their keys; callable from any thread."""

    def __init__(self, most: int = 512) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, Skeleton] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Skeleton]) -> Skeleton:
        """The skeleton of `key` (revision, target, language, edition of the templates, Form), made when it is not held.

        Two threads may make the same one at the same time; that costs time and no more.
        """
        with self._lock:
            if (found := self._held.get(key)) is not None:
                self._held.move_to_end(key)
                return found
        made = make()
        with self._lock:
            self._held[key] = made
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made
