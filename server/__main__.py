from __future__ import annotations

import sys

try:
    from server.cli import main
    from server.memory import settle_memory
except KeyboardInterrupt:
    sys.exit(130)  # server.cli.INTERRUPTED, which is not there yet
settle_memory()
sys.exit(main())
