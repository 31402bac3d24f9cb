"""`python -m manyeyes`: the same program as `manyeyes`."""

import sys

from .cli import main

sys.exit(main())
