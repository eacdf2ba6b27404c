from __future__ import annotations

import sys

from server.cli import main
from server.memory import settle_memory

settle_memory()
sys.exit(main())
