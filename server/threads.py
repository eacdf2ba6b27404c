"""How the threads of this process share the interpreter."""

from __future__ import annotations

import sys

#: seconds that a thread keeps the interpreter while others wait for it. A bundle is read in a thread, and every answer
#: needs the interpreter some ten times, for the loop and for the database's threads: with the usual 5 ms it took 50 ms
#: longer beside an import, and one save in a hundred took 30 ms with 0.5 and 26 with this. That threads take turns more
#: often costs the reading nothing that could be measured.
TURN_SECONDS = 0.0001


def take_short_turns() -> None:
    """Called once, by a process that serves."""
    sys.setswitchinterval(TURN_SECONDS)
