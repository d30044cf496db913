"""The sender's line above the address, as large as its strip allows."""

from collections.abc import Sequence
from typing import Any

from uamail.errors import PrintError
from uamail.printing.fitting import text_width
from uamail.printing.profile import Profile

# pt: the largest that fits; below 5 pt nobody reads it.
SIZES = (6.5, 6.0, 5.5, 5.0)
_STRIP_PT = 12.5  # two rows of 5 pt in the 5 mm of DIN 5008


def fitted(profile: Profile, *, name: str, address: Sequence[str]) -> dict[str, Any]:
    """What the template needs of it: `return_line`, `return_size` (pt) and `return_rows`.

    Where there is not enough room for the office's name too, the return address alone, which names the sender as well;
    at last in two rows. Raises PrintError when even these are too long.
    """
    window, whole, alone = profile.window, ", ".join((name, *address)), ", ".join(address)
    if not window.return_line:
        return {"return_line": whole, "return_size": SIZES[0], "return_rows": 1}
    # The strip begins where the address does, a little inside the window.
    width = window.w - min(max(profile.body.left - window.x, 0), 5)
    for line, rows in ((whole, 1), (alone, 1), (alone, 2)):
        for size in SIZES:
            if text_width(line, size) <= width * (rows if rows == 1 else 1.7) and size * rows * 1.2 <= _STRIP_PT:
                return {"return_line": line, "return_size": size, "return_rows": rows}
    raise PrintError(f"the return address of the office {name} is too long for {width:g} mm")
