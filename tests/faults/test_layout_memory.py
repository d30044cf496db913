"""A process that lays out for hours does not grow: what the engine leaks goes with each child."""

import subprocess
import sys

import pytest

# Prints the resident size in kilobytes after every hundred documents.
PROGRAM = """
from uamail.printing import profile, reference
from uamail.printing.page import PieceSource

paper = profile.load("din5008-b")
text = "Words of a letter \\u6f22\\u5b57 \\u0643\\u0644\\u0645\\u0629"
for number in range(1, 1_001):
    piece = PieceSource(number=number, html=f"<p>{text}</p>", language="en", direction="ltr", text=text)
    reference.render([piece], profile=paper)
    if number % 100 == 0:
        status = open("/proc/self/status").read().split()
        print(status[status.index("VmRSS:") + 1], flush=True)
"""


@pytest.mark.nightly
@pytest.mark.timeout(1_800)  # on a busy machine; a minute on an idle one
def test_thousand_layouts_leave_nothing_behind() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=1_700)

    sizes = [int(line) for line in done.stdout.split()]
    slope = (sizes[-1] - sizes[1]) / (len(sizes) - 2)
    print(f"resident kilobytes after each hundred layouts: {sizes}; {slope:.0f} more for each")
    assert len(sizes) == 10
    assert slope < 1_024
