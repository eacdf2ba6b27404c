"""How the garbage collector is told what kind of process this is."""

from __future__ import annotations

import gc

#: an import parses and drops small trees by the thousand; the default looks at them every 700 objects. Nobody is
#: answered meanwhile: at 20,000 objects for 10 to 16 ms, and for 37 at what 20 such looks had left
_YOUNG, _MIDDLE, _OLD = 5_000, 5, 200


def settle_memory() -> None:
    """Called once, when everything is imported: what is there now stays, and is not searched for garbage again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
