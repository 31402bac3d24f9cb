"""The arguments of the commands that watch a stream instead of serving one: probe."""

import argparse
import re

from .arguments import Parser

PROBE_DESCRIPTION = """\
Measure a Motion JPEG stream, of any server: rate, jitter, bytes, age, and what is wrong with it.

It ends with a verdict: 0 is good, 1 is not, and the words say what to try. Ages need parts with
X-Timestamp, as manyeyes sends them, and clocks that agree.
"""

PROBE_EXAMPLES = """\
examples:
  manyeyes probe http://127.0.0.1:8080/stream.jpg
  manyeyes probe http://user:password@192.168.1.20/video.mjpg --for 1m
  manyeyes probe http://192.168.1.20:8080/stream.jpg --json | jq .fps
"""

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
MAX_S = 7 * 86400


def duration_s(text: str) -> float:
    """Return a duration such as 10s, 1.5m, 2h; a bare number is seconds."""
    match = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]+)?)(s|m|h|)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= MAX_S:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a duration such as 10s, 5m or 1h, a week at most")
    return seconds


def build_probe_parser() -> Parser:
    """Return the parser of `manyeyes probe`."""
    probe = Parser(
        prog="manyeyes probe",
        usage="manyeyes probe URL [OPTION ...]",
        description=PROBE_DESCRIPTION,
        epilog=PROBE_EXAMPLES,
    )
    probe.add_argument("url", metavar="URL", help="http(s)://..., the stream itself; #insecure=1: any certificate")
    probe.add_argument(
        "--for",
        type=duration_s,
        metavar="TIME",
        dest="for_s",
        default=10.0,
        help="how long to measure, from the first picture: 30s, 5m, 1h (default: 10s)",
    )
    probe.add_argument("--json", action="store_true", help="as JSON, for programs")
    probe.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return probe


def parse_probe(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `probe`."""
    return build_probe_parser().parse_intermixed_args(arguments[1:])
