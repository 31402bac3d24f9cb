"""Runs shared tests on MicroPython: `micropython tests/micropython/run_shared.py tests.core.test_jpeg ...`.

Prints a line and a traceback for each failure, and at last `N passed, N failed, N skipped`. Exits
with 1 when a test failed, and with 2 when there was none to run. MICROPYPATH names `.frozen` (where
asyncio is), this folder (for the stand-in `unittest`), `src`, the root, and a folder with Microdot;
`tests/test_micropython.py` sets it.
"""

import sys
import unittest

result = unittest.Result()
for name in sys.argv[1:]:
    result.run_module(name)
print("%d passed, %d failed, %d skipped" % (result.passed, result.failed, result.skipped))
if result.failed:
    sys.exit(1)
if not result.passed + result.skipped:
    print("no test ran")
    sys.exit(2)
