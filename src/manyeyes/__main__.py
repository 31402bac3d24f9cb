"""The program, as `manyeyes` and as `python -m manyeyes`."""

import atexit
import os
import signal
import sys


def run() -> None:
    """Run the program and exit with its code.

    From here on SIGINT and SIGTERM end it with 0, a snapshot with 1, for there is no picture. Loading takes a third of
    a second, in which a KeyboardInterrupt would print a traceback; nothing is open yet, so there is nothing to end in
    order. When all is closed Python puts the signals' defaults back; what comes then is too late to be an error.
    """
    code = 1 if sys.argv[1:2] == ["snapshot"] else 0
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(code))
        atexit.register(signal.signal, number, signal.SIG_IGN)
    from .cli import main

    sys.exit(main())


if __name__ == "__main__":
    run()
