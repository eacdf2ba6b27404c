from __future__ import annotations

import sys

try:
    from server.cli import main
    from server.memory import settle_memory
    from server.threads import take_short_turns
except KeyboardInterrupt:
    sys.exit(130)  # server.cli.INTERRUPTED, which is not there yet
settle_memory()
take_short_turns()
sys.exit(main())
