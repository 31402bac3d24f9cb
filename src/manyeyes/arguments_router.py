"""The arguments of `manyeyes router`: see arguments.py."""

import argparse

from .arguments import Parser, port_number
from .arguments_relay import add_endpoints, add_relay_credentials
from .config import Settings

ROUTER_DESCRIPTION = """\
Pass cameras of other machines on: each is pulled once, and whoever connects here is answered.

A PATTERN is a camera's key, or one with * for any name, in quotes. Without one, all are passed on.
"""

ROUTER_EXAMPLES = """\
examples:
  manyeyes router --listen tcp/0.0.0.0:7447 --open
                                            cameras and viewers connect to this machine
  manyeyes router 'manyeyes/yard/*' --connect tcp/192.168.1.20:7447 --listen tcp/127.0.0.1:7447
                                            the cameras of one site, from its router
  manyeyes router --listen tcp/127.0.0.1:7447 --port 8080
                                            with a page that shows what passes
"""


def build_router_parser() -> Parser:
    """Return the parser of `manyeyes router`."""
    defaults = Settings()
    router = Parser(
        prog="manyeyes router",
        usage="manyeyes router [PATTERN ...] [OPTION ...]",
        description=ROUTER_DESCRIPTION,
        epilog=ROUTER_EXAMPLES,
    )
    router.add_argument("patterns", nargs="*", metavar="PATTERN", help="which cameras (default: manyeyes/**)")
    router.add_argument("--open", action="store_true", help="allow anybody to watch, and to bring cameras")
    router.add_argument("--linger", type=float, metavar="S", dest="linger_s", default=defaults.linger_s,
                        help="go on pulling for this long after nobody asks any more (default: %(default)g s)")  # fmt: skip
    router.add_argument(
        "--port", type=port_number, metavar="N", help="serve pages here, too; 0 picks a free port (default: none)"
    )
    router.add_argument("--host", default=defaults.host, help="address for the pages (default: %(default)s)")
    router.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    add_endpoints(router.add_argument_group("many machines"))
    add_relay_credentials(router)
    return router


def parse_router(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `router`."""
    return build_router_parser().parse_intermixed_args(arguments[1:])
