"""The arguments of `manyeyes config`."""

import argparse

from .arguments import Parser

DESCRIPTION = """\
Judge the settings of `manyeyes serve`, or show them: of a file, the environment (MANYEYES_...), and defaults.

  check   says what is wrong, with file and line, and exits with 2; opens no camera
  show    prints what holds as TOML, and where each setting comes from; secrets are HIDDEN
"""

EXAMPLES = """\
examples:
  manyeyes config check /etc/manyeyes.toml
  manyeyes config show > manyeyes.toml      a file to begin with
"""


def parse_config(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `config`."""
    config = Parser(
        prog="manyeyes config",
        usage="manyeyes config check|show [FILE]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    config.add_argument("what", metavar="check|show", choices=("check", "show"), help="what to do")
    config.add_argument(
        "file", nargs="?", metavar="FILE", help="as for serve --config; default: what MANYEYES_CONFIG says, or none"
    )
    config.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return config.parse_args(arguments[1:])
