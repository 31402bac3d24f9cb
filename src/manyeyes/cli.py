"""The command line: arguments in, exit code out. What it means is said in config.py, done in server.py.

A command is a line in COMMANDS: what it is for, the function that makes its parser, and the one that does it.
"""

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from . import __version__
from .config import Settings, parse_cameras, validated
from .core.errors import ConfigError, ManyeyesError

DESCRIPTION = """\
Live camera server: reads each camera once and shows it to any number of browsers.

A SOURCE is
  test:                    a moving test pattern (also test:?size=640x480&fps=10)
  VIDEO                    a video file, in a loop
  FOLDER                   a folder of JPEGs, in a loop
  http(s)://...            an MJPEG stream, or a JPEG that is polled (#fps=2, #insecure=1)
  rtsp://...               H.264, H.265 or MJPEG, by TCP (#transport=udp)
  exec:COMMAND             a program that writes MJPEG to its stdout
  rpicam:                  a Raspberry Pi's camera (rpicam:?size=1280x720&fps=30)
  screen:                  an X screen (screen::0.0+100,200?size=640x480&fps=30)
Write NAME=SOURCE to name a camera; without a SOURCE the test pattern is shown.
"""

EXAMPLES = """\
examples:
  manyeyes                                  watch the test pattern at http://127.0.0.1:8080/
  manyeyes street=walk.mp4 lab=pictures/    two cameras, at /cams/street/ and /cams/lab/
  manyeyes --host 0.0.0.0 --open            let phones in the same network watch, too
  manyeyes test: --size 640x480 --fps 10    smaller and slower

then look at
  /                     the page: live picture, state, settings
  /stream.jpg           the stream itself, for an <img>
  /snapshot.jpg         one fresh picture
  /status, /config      JSON: what goes on, what can be changed
"""


RUN_DESCRIPTION = """\
Run a camera's script (MicroPython, csi, Microdot) on this machine, unchanged.

Its sensor sees SOURCE, as `manyeyes serve` takes it. What follows -- is the script's own.
"""

RUN_EXAMPLES = """\
examples:
  manyeyes run main.py                      its sensor sees the test pattern
  manyeyes run main.py --source walk.mp4    or a video, in a loop
  manyeyes run main.py --port 0 -- --fast   a free port; sys.argv is ["main.py", "--fast"]
"""

# The shape of a cam's sensor, 4:3: nothing of the pattern is cut off at QVGA or VGA.
RUN_SOURCE = "test:?size=640x480"


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command line."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"manyeyes: {message}; see {self.prog} --help\n")


def build_parser() -> Parser:
    """Return the parser of `manyeyes serve`."""
    defaults = Settings()
    serve = Parser(
        prog="manyeyes",
        usage="manyeyes [serve] [OPTION ...] [[NAME=]SOURCE ...]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an abbreviation would break when an option is added
    )
    serve.add_argument("sources", nargs="*", metavar="[NAME=]SOURCE", help="what to show; default: test:")
    serve.add_argument("--version", action="version", version=f"manyeyes {__version__}")
    network = serve.add_argument_group("network")
    network.add_argument(
        "--host", default=defaults.host, help="address to listen on (default: %(default)s, this machine only)"
    )
    network.add_argument(
        "--port", type=int, default=defaults.port, help="port to listen on; 0 picks a free one (default: %(default)s)"
    )
    network.add_argument(
        "--open",
        action="store_true",
        help="allow --host beyond this machine: anybody who can reach it can watch and change settings",
    )
    network.add_argument("--stall-timeout", type=float, metavar="S", dest="stall_timeout_s", default=defaults.stall_timeout_s,
                         help="close a viewer that has taken nothing for this long (default: %(default)g s)")  # fmt: skip
    network.add_argument(
        "--max-connections",
        type=int,
        metavar="N",
        default=defaults.max_connections,
        help="viewers and requests at one time; one more gets a 503 (default: %(default)s)",
    )
    picture = serve.add_argument_group("picture")
    picture.add_argument("--size", metavar="WxH", help="picture size to ask the sources for")
    picture.add_argument("--fps", type=float, metavar="N", help="frames per second, at most")
    picture.add_argument(
        "--quality",
        type=int,
        metavar="Q",
        default=defaults.quality,
        help="JPEG quality, 1 to 100, where frames are encoded here (default: %(default)s)",
    )
    camera = serve.add_argument_group("camera")
    camera.add_argument(
        "--linger",
        type=float,
        metavar="S",
        dest="linger_s",
        default=defaults.linger_s,
        help="close a camera this long after its last viewer left (default: %(default)g s)",
    )
    camera.add_argument("--always-on", action="store_true", help="open cameras at once and never close them")
    serve.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return serve


def build_run_parser() -> Parser:
    """Return the parser of `manyeyes run`."""
    run = Parser(
        prog="manyeyes run",
        usage="manyeyes run SCRIPT.py [OPTION ...] [-- ARGUMENT ...]",
        description=RUN_DESCRIPTION,
        epilog=RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    run.add_argument("script", metavar="SCRIPT.py", help="the script, as on a cam's /flash/main.py")
    run.add_argument("--source", default=RUN_SOURCE, help="what its sensor sees (default: %(default)s)")
    run.add_argument(
        "--port", type=_port, metavar="N", help="let its server listen here, whatever it says; 0 picks a free port"
    )
    run.add_argument(
        "--open",
        action="store_true",
        help="let its server listen beyond this machine, where it says so: anybody who can reach it can use it",
    )
    run.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return run


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 0 to 65535")
    return int(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `serve`; the word itself may be left out."""
    if arguments[:1] == ["serve"]:
        arguments = arguments[1:]
    # Intermixed: sources may stand before, between and after the options.
    return build_parser().parse_intermixed_args(arguments)


def parse_run(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `run`; the result's `arguments` are those after `--`."""
    arguments = arguments[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parsed = build_run_parser().parse_intermixed_args(arguments[:split])
    parsed.arguments = arguments[split + 1 :]
    return parsed


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Return the settings that a parsed `serve` command line means.

    Raises:
        ConfigError: If one is wrong.
    """
    values = {key: value for key, value in vars(arguments).items() if key in Settings.model_fields}
    if arguments.sources:
        values["cameras"] = parse_cameras(arguments.sources)
    return validated(**values)


def _serve(parsed: argparse.Namespace) -> int:
    from .server import serve  # here, so that --help and a wrong option answer at once

    # What was imported stays: with these 40,000 objects a full collection would stop the pictures for 20 ms.
    gc.freeze()
    asyncio.run(serve(settings_from(parsed), _say))
    return 0


def _run(parsed: argparse.Namespace) -> int:
    from .server import run_script

    return run_script(parsed.script, parsed.arguments, parsed.source, parsed.port, parsed.open, _say)


class Command(NamedTuple):
    """One command: what it is for; what reads its command line, its name included; what does it: the exit code."""

    purpose: str
    parse: Callable[[list[str]], argparse.Namespace]
    do: Callable[[argparse.Namespace], int]


DEFAULT = "serve"
COMMANDS = {
    "serve": Command("show cameras to browsers (the default: the word may be left out)", parse, _serve),
    "run": Command("run a camera's MicroPython script on this machine", parse_run, _run),
}


def overview() -> str:
    """Return the list of commands that precedes the help of the default one."""
    lines = [f"  manyeyes {name:<10}{command.purpose}\n" for name, command in COMMANDS.items()]
    return "commands (manyeyes COMMAND --help says more):\n" + "".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the program; returns its exit code: 0 after a signal, 2 for a wrong setting, 1 for any other error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    named = arguments[:1] and arguments[0] in COMMANDS
    if not named and ("--help" in arguments or "-h" in arguments):
        sys.stdout.write(overview())
    command = COMMANDS[arguments[0] if named else DEFAULT]
    parsed = command.parse(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if parsed.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        return command.do(parsed)
    except ConfigError as error:
        print(f"manyeyes: {error}", file=sys.stderr)
        return 2
    except ManyeyesError as error:
        print(f"manyeyes: {error}", file=sys.stderr)
        return 1


def _say(line: str) -> None:
    """Print the line that scripts wait for."""
    try:
        print(line, flush=True)
    except OSError as error:
        # What is still buffered would be tried again at exit, and fail with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ManyeyesError(f"cannot write to standard output: {(error.strerror or 'failed').lower()}") from error
