"""Loads nats-py without aiohttp, if this is imported before anything that imports `nats`.

nats-py loads aiohttp for websockets wherever it is installed, as LiteLLM has it. No process here
connects to the broker that way, and a tenth of a second of every start and of every probe goes into
it. Whoever needs aiohttp later gets it.
"""

import sys
from importlib import import_module

UNUSED = "aiohttp"

if UNUSED not in sys.modules:
    sys.modules[UNUSED] = None  # type: ignore[assignment]  # how Python says that it cannot be imported
    try:
        import_module("nats")
    finally:
        del sys.modules[UNUSED]
