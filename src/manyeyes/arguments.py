"""The arguments of every command: what can be given, and the help that teaches it. Nothing is done here.

One function makes the parser of one command; `cli.py` has the table of commands.
"""

import argparse
import difflib
import re
from typing import NoReturn

from . import __version__
from .arguments_relay import add_connect, add_endpoints, add_relay_credentials
from .config import Settings

DESCRIPTION = """\
Live camera server: reads each camera once and shows it to any number of browsers.

A SOURCE is
  /dev/video0              a camera; also v4l2:NAME as `manyeyes sources` lists them
  test:                    a moving test pattern (also test:?size=640x480&fps=10)
  VIDEO                    a video file, in a loop
  FOLDER                   a folder of JPEGs, in a loop
  http(s)://...            an MJPEG stream, or a JPEG that is polled (#fps=2, #insecure=1)
  rtsp://...               H.264, H.265 or MJPEG, by TCP (#transport=udp)
  exec:COMMAND             a program that writes MJPEG to its stdout
  rpicam:                  a Raspberry Pi's camera (rpicam:?size=1280x720&fps=30)
  screen:                  an X screen (screen::0.0+100,200?size=640x480&fps=30)
  zenoh:manyeyes/SITE/CAM  a camera of another machine that runs --publish SITE
Write NAME=SOURCE to name a camera; without a SOURCE the first camera of this machine is shown,
or the test pattern where there is none; with --discover, what is found.
"""

EXAMPLES = """\
examples:
  manyeyes                                  watch this machine's camera at http://127.0.0.1:8080/
  manyeyes /dev/video0 --size 1280x720      a certain one, at a certain size
  manyeyes street=walk.mp4 lab=pictures/    two cameras, at /cams/street/ and /cams/lab/
  manyeyes --host 0.0.0.0 --open            let phones in the same network watch, too
  manyeyes --host 0.0.0.0 --users users.toml
                                            or those only who are named in a file
  manyeyes test: --size 640x480 --fps 10    smaller and slower
  manyeyes front=/dev/video0 --publish yard --listen tcp/0.0.0.0:7447 --open
  manyeyes zenoh:manyeyes/yard/front --connect tcp/192.168.1.20:7447
                                            the same camera on another machine
  manyeyes --discover --open                every camera that is published in this network

then look at
  /                     the page: live picture, state, settings
  /stream.jpg           the stream itself, for an <img>
  /snapshot.jpg         one fresh picture
  /status, /config      JSON: what goes on, what can be changed
"""

SOURCES_DESCRIPTION = """\
List the cameras of this machine: names that stay the same, formats, sizes, rates and controls.
"""

SNAPSHOT_DESCRIPTION = """\
Take one picture, without a server: of a camera, or of anything else that `manyeyes serve` takes.
"""

SNAPSHOT_EXAMPLES = """\
examples:
  manyeyes snapshot /dev/video0 -o now.jpg
  manyeyes snapshot http://192.168.1.20/stream.jpg -o - | display
  manyeyes snapshot zenoh:manyeyes/yard/front --connect tcp/192.168.1.20:7447 -o now.jpg
"""

RUN_DESCRIPTION = """\
Run a camera's script (MicroPython, csi, Microdot) on this machine, unchanged.

Its sensor sees SOURCE, as `manyeyes serve` takes it. What follows -- is the script's own.
"""

RUN_EXAMPLES = """\
examples:
  manyeyes run main.py                      its sensor sees this machine's camera
  manyeyes run main.py --source walk.mp4    or a video, in a loop
  manyeyes run main.py --port 0 -- --fast   a free port; sys.argv is ["main.py", "--fast"]
"""

# The shape of a cam's sensor, 4:3: nothing of the pattern is cut off at QVGA or VGA.
RUN_SOURCE = "test:?size=640x480"


_UNSAID = object()


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with a command line. Its texts are laid out as they stand."""

    def __init__(self, prog: str, usage: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # an abbreviation would break when an option is added
        )

    def error(self, message: str) -> NoReturn:
        """Exit with 2; of an option that there is not, name the nearest that there is."""
        unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        known = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(unknown[1], known, 1) if unknown else []
        question = f"; did you mean {near[0]}?" if near else ""
        self.exit(2, f"manyeyes: {message}{question}; see {self.prog} --help\n".replace("?;", "?", 1))


def build_parser() -> Parser:
    """Return the parser of `manyeyes serve`."""
    defaults = Settings()
    serve = Parser(
        prog="manyeyes",
        usage="manyeyes [serve] [OPTION ...] [[NAME=]SOURCE ...]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    serve.add_argument(
        "sources", nargs="*", metavar="[NAME=]SOURCE", help="what to show; default: this machine's camera, or test:"
    )
    serve.add_argument(
        "--config",
        metavar="FILE",
        help="settings in a file, TOML; options here win (docs/configuration.md). SIGHUP reads it again",
    )
    serve.add_argument("--version", action="version", version=f"manyeyes {__version__}")
    network = serve.add_argument_group("network")
    network.add_argument(
        "--host", default=defaults.host, help="address to listen on (default: %(default)s, this machine only)"
    )
    network.add_argument(
        "--port",
        type=port_number,
        default=defaults.port,
        help="port to listen on; 0 picks a free one (default: %(default)s)",
    )
    network.add_argument(
        "--open",
        action="store_true",
        help="allow --host beyond this machine: anybody who can reach it can watch and change settings",
    )
    network.add_argument("--tls-cert", metavar="FILE", help="serve https: the certificate and its chain, PEM")
    network.add_argument(
        "--tls-key", metavar="FILE", help="its key; when the files change, new connections get the new pair"
    )
    access = serve.add_argument_group("access")
    access.add_argument(
        "--users", metavar="FILE",
        help="let in only who is named there, with a password, a token or a link; `manyeyes passwd` makes it",
    )  # fmt: skip
    access.add_argument(
        "--allowed-host", action="append", metavar="NAME", dest="allowed_hosts", default=[],
        help="another name that this server is reached by, as behind a proxy; may be given again",
    )  # fmt: skip
    access.add_argument(
        "--cors", action="append", metavar="ORIGIN", default=[],
        help="a site whose pages may read what is served, as https://example.org, or *; may be given again",
    )  # fmt: skip
    add_picture(serve)
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
    camera.add_argument(
        "--exit-on-lost",
        type=float,
        metavar="S",
        dest="exit_on_lost_s",
        help="end with 1 when a camera has been lost for this long, for whoever starts this program again",
    )
    camera.add_argument(
        "--drop-same",
        type=float,
        metavar="S",
        dest="drop_same_s",
        default=defaults.drop_same_s,
        help="leave out frames that are the same as the one before, but for one every S seconds",
    )
    limits = serve.add_argument_group("limits")
    limits.add_argument(
        "--max-connections",
        type=int,
        metavar="N",
        default=defaults.max_connections,
        help="viewers and requests at one time; one more gets a 503 (default: %(default)s)",
    )
    limits.add_argument(
        "--max-viewers", type=int, metavar="N", help="of these, viewers; one more gets a 503 (default: as many)"
    )
    limits.add_argument(
        "--max-per-address",
        type=int,
        metavar="N",
        help="of these, from one address; one more gets a 429 (default: half as many)",
    )
    limits.add_argument("--stall-timeout", type=float, metavar="S", dest="stall_timeout_s", default=defaults.stall_timeout_s,
                         help="close a viewer that has taken nothing for this long (default: %(default)g s)")  # fmt: skip
    limits.add_argument("--workers", type=int, metavar="N",
                         help="deliver with N processes, for more viewers than one core can serve; one more captures")  # fmt: skip
    proxy = serve.add_argument_group("behind a proxy")
    proxy.add_argument(
        "--trusted-proxy",
        action="append",
        metavar="ADDRESS",
        dest="trusted_proxies",
        default=[],
        help="believe this proxy's X-Forwarded- headers: an address, a network, or unix; may be given again",
    )
    proxy.add_argument(
        "--base-path", metavar="PATH", default=defaults.base_path, help="where a proxy shows this server, as in /cams1/"
    )
    proxy.add_argument("--unix", metavar="PATH", help="listen on a Unix socket instead, for a proxy on this machine")
    proxy.add_argument(
        "--unix-mode", metavar="MODE", default=defaults.unix_mode, help="who may connect to it (default: %(default)s)"
    )
    machines = serve.add_argument_group("many machines")
    machines.add_argument(
        "--publish", nargs="?", const="", metavar="SITE",
        help="let other machines view these cameras, as zenoh:manyeyes/SITE/NAME (default: this machine's name)",
    )  # fmt: skip
    machines.add_argument(
        "--allow-config",
        action="store_true",
        help="let other machines see and change the settings of what is published",
    )
    machines.add_argument(
        "--discover", nargs="?", const="manyeyes/**", metavar="PATTERN",
        help="show every camera that other machines publish, while this runs; PATTERN says which, "
             "as 'manyeyes/yard/*' (default: manyeyes/**)",
    )  # fmt: skip
    add_endpoints(machines)
    add_relay_credentials(serve)
    serve.add_argument(
        "--log-format",
        choices=("text", "json"),
        default=defaults.log_format,
        help="one line per event, to stderr, as text or JSON",
    )
    serve.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return serve


def add_picture(parser: Parser) -> None:
    """Add the options about pictures, which several commands have."""
    defaults = Settings()
    picture = parser.add_argument_group("picture")
    picture.add_argument("--size", metavar="WxH", help="picture size to ask the sources for")
    picture.add_argument("--fps", type=float, metavar="N", help="frames per second, at most")
    picture.add_argument(
        "--quality",
        type=int,
        metavar="Q",
        default=defaults.quality,
        help="JPEG quality, 1 to 100, where frames are encoded here (default: %(default)s)",
    )
    picture.add_argument(
        "--rotate", type=int, metavar="DEG", default=defaults.rotate, help="turn clockwise: 90, 180 or 270"
    )
    picture.add_argument(
        "--flip", metavar="h|v", default=defaults.flip, help="then mirror: h left to right, v top to bottom, hv both"
    )
    picture.add_argument(
        "--overlay",
        metavar="TEXT",
        help="write on the pictures; %%H:%%M:%%S and other strftime fields are the time of capture",
    )
    picture.add_argument(
        "--control",
        action="append",
        metavar="NAME=VALUE",
        dest="controls",
        default=[],
        help="set a camera's control, as `manyeyes sources` lists them; may be given again",
    )


def build_sources_parser() -> Parser:
    """Return the parser of `manyeyes sources`."""
    sources = Parser(
        prog="manyeyes sources",
        usage="manyeyes sources [--json]",
        description=SOURCES_DESCRIPTION,
    )
    sources.add_argument("--json", action="store_true", help="as JSON, for programs")
    sources.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return sources


def build_snapshot_parser() -> Parser:
    """Return the parser of `manyeyes snapshot`."""
    snapshot = Parser(
        prog="manyeyes snapshot",
        usage="manyeyes snapshot [SOURCE] -o FILE [OPTION ...]",
        description=SNAPSHOT_DESCRIPTION,
        epilog=SNAPSHOT_EXAMPLES,
    )
    snapshot.add_argument(
        "source", nargs="?", metavar="SOURCE", help="of what; default: this machine's camera, or test:"
    )
    snapshot.add_argument("-o", "--output", required=True, metavar="FILE", help="where to; - is standard output")
    snapshot.add_argument(
        "--timeout",
        type=_seconds,
        metavar="S",
        default=15.0,
        help="how long to wait for a picture (default: %(default)g s)",
    )
    add_picture(snapshot)
    add_connect(snapshot.add_argument_group("many machines"))
    add_relay_credentials(snapshot, listens=False)
    snapshot.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return snapshot


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of seconds, 86400 at most")
    return seconds


def build_run_parser() -> Parser:
    """Return the parser of `manyeyes run`."""
    run = Parser(
        prog="manyeyes run",
        usage="manyeyes run SCRIPT.py [OPTION ...] [-- ARGUMENT ...]",
        description=RUN_DESCRIPTION,
        epilog=RUN_EXAMPLES,
    )
    run.add_argument("script", metavar="SCRIPT.py", help="the script, as on a cam's /flash/main.py")
    run.add_argument("--source", help=f"what its sensor sees; default: this machine's camera, or {RUN_SOURCE}")
    run.add_argument(
        "--port",
        type=port_number,
        metavar="N",
        help="let its server listen here, whatever it says; 0 picks a free port",
    )
    run.add_argument(
        "--open",
        action="store_true",
        help="let its server listen beyond this machine, where it says so: anybody who can reach it can use it",
    )
    run.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return run


def port_number(text: str) -> int:
    """Return a port; for `type=`."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 0 to 65535")
    return int(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `serve`; the word itself may be left out.

    The result's `given` are the names of those that were said: the others may have been said somewhere else.
    """
    if arguments[:1] == ["serve"]:
        arguments = arguments[1:]
    parser = build_parser()
    # Intermixed: sources may stand before, between and after the options.
    parsed = parser.parse_intermixed_args([])
    unsaid = {name: _UNSAID for name, default in vars(parsed).items() if not isinstance(default, list)}
    for name, value in vars(parser.parse_intermixed_args(arguments, argparse.Namespace(**unsaid))).items():
        if value is not _UNSAID and value != []:
            setattr(parsed, name, value)
            unsaid.pop(name, None)
    parsed.given = {name for name, value in vars(parsed).items() if name not in unsaid and value != []}
    return parsed


def parse_run(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `run`; the result's `arguments` are those after `--`."""
    arguments = arguments[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parsed = build_run_parser().parse_intermixed_args(arguments[:split])
    parsed.arguments = arguments[split + 1 :]
    return parsed


def parse_sources(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `sources`."""
    return build_sources_parser().parse_args(arguments[1:])


def parse_snapshot(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `snapshot`."""
    return build_snapshot_parser().parse_intermixed_args(arguments[1:])
