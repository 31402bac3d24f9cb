"""The arguments of `manyeyes passwd` and `manyeyes link`, and the help that teaches them."""

import argparse

from .arguments import Parser

PASSWD_DESCRIPTION = """\
Say who may see and change what: edit the file of `manyeyes serve --users FILE`, or make it.

A new user is asked for a password (read from standard input where that is no terminal). view looks at
pictures, control changes settings and shares links, admin sees the addresses of others, too. A server
that runs takes the change over at once, streams that are open included.
"""

PASSWD_EXAMPLES = """\
examples:
  manyeyes passwd users.toml anna --role admin
  manyeyes passwd users.toml guest --camera front --camera yard --for 7d
  manyeyes passwd users.toml grafana --token    for a program; it is shown once
  manyeyes passwd users.toml guest              another password; ends what they had open
  manyeyes passwd users.toml guest --delete
"""

LINK_DESCRIPTION = """\
Print a URL that shows one camera to whoever has it, until it expires: for a chat, a guest, an <img>.

It is the page's; with stream.jpg or snapshot.jpg before ?key=... it is the picture's, for an <img>.
It ends earlier when the password, the role or the cameras of the user who gave it change.
"""

LINK_EXAMPLES = """\
examples:
  manyeyes link front --users users.toml --for 1h --url http://192.168.1.20:8080
  manyeyes link front --users users.toml --for 7d --as anna
"""


def build_passwd_parser() -> Parser:
    """Return the parser of `manyeyes passwd`."""
    passwd = Parser(
        prog="manyeyes passwd",
        usage="manyeyes passwd FILE USER [OPTION ...]",
        description=PASSWD_DESCRIPTION,
        epilog=PASSWD_EXAMPLES,
    )
    passwd.add_argument("file", metavar="FILE", help="the file of users")
    passwd.add_argument("user", metavar="USER", help="whom")
    passwd.add_argument("--role", metavar="ROLE", help="view, control or admin (a new user: view)")
    passwd.add_argument(
        "--camera", action="append", metavar="NAME", dest="cameras", help="only this one; may be given again"
    )
    passwd.add_argument("--all-cameras", action="store_const", const=[], dest="cameras", help="every camera")
    passwd.add_argument("--for", metavar="TIME", dest="duration",
                        help="only for so long from now: 90s, 30m, 1h, 7d; or ever (default)")  # fmt: skip
    passwd.add_argument(
        "--token", action="store_true", help="make a token for `Authorization: Bearer ...`, and print it"
    )
    passwd.add_argument("--no-tokens", action="store_true", help="take all their tokens away")
    passwd.add_argument("--delete", action="store_true", help="take the user out")
    passwd.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return passwd


def build_link_parser() -> Parser:
    """Return the parser of `manyeyes link`."""
    link = Parser(
        prog="manyeyes link",
        usage="manyeyes link CAMERA --users FILE [OPTION ...]",
        description=LINK_DESCRIPTION,
        epilog=LINK_EXAMPLES,
    )
    link.add_argument("camera", metavar="CAMERA", help="which one")
    link.add_argument("--users", required=True, metavar="FILE", help="the server's file of users")
    link.add_argument("--for", metavar="TIME", dest="duration", default="1h",
                      help="how long: 90s, 30m, 1h, 7d (default: %(default)s)")  # fmt: skip
    link.add_argument("--as", metavar="USER", dest="user", help="who gives it away (default: the only one who may)")
    link.add_argument("--url", default="http://127.0.0.1:8080", help="the server (default: %(default)s)")
    link.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return link


def parse_passwd(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `passwd`."""
    return build_passwd_parser().parse_intermixed_args(arguments[1:])


def parse_link(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `link`."""
    return build_link_parser().parse_intermixed_args(arguments[1:])
