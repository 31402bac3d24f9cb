"""The arguments of the commands that watch a camera or a stream instead of serving one: probe and record."""

import argparse
import re

from .arguments import Parser, add_picture
from .arguments_relay import add_connect, add_relay_credentials

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

RECORD_DESCRIPTION = """\
Record a camera, or anything else that `manyeyes serve` takes, until the time is over or Ctrl-C.

FILE.mkv  the JPEGs as they are, each with its time of capture (Motion JPEG in Matroska)
FILE.mp4  H.264: smaller, but each picture is encoded again. Needs the extra `video`; the encoder in
          PyAV's wheels is libx264, which is GPL software
FOLDER/   single JPEGs, named by their time of capture
A file plays up to its last frame even after a crash or on a full disk.
"""

RECORD_EXAMPLES = """\
examples:
  manyeyes record /dev/video0 -o door.mkv --for 10m
  manyeyes record http://192.168.1.20:8080/stream.jpg -o door.mp4
  manyeyes record zenoh:manyeyes/yard/front --connect tcp/192.168.1.20:7447 -o front.mkv
  manyeyes record /dev/video0 -o pictures/ --every 10s
  manyeyes record /dev/video0 -o day.mp4 --every 10s --for 24h
"""

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_S = 7 * 86400


def duration_s(text: str) -> float:
    """Return a duration such as 10s, 1.5m, 2h; a bare number is seconds."""
    match = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]+)?)(s|m|h|d|)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < seconds <= MAX_S:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a duration such as 10s, 5m, 1h or 2d, a week at most")
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


def build_record_parser() -> Parser:
    """Return the parser of `manyeyes record`."""
    record = Parser(
        prog="manyeyes record",
        usage="manyeyes record [SOURCE] -o FILE|FOLDER/ [OPTION ...]",
        description=RECORD_DESCRIPTION,
        epilog=RECORD_EXAMPLES,
    )
    record.add_argument("source", nargs="?", metavar="SOURCE", help="of what; default: this machine's camera, or test:")
    record.add_argument("-o", "--output", required=True, metavar="OUT", help="FILE.mkv, FILE.mp4 or FOLDER/")
    record.add_argument(
        "--for", type=duration_s, metavar="TIME", dest="for_s", help="how long, from the first picture: 30s, 10m, 2h"
    )
    record.add_argument(
        "--every",
        type=duration_s,
        metavar="TIME",
        dest="every_s",
        default=0.0,
        help="a timelapse: one picture in so long; a video shows them at 25 fps",
    )
    record.add_argument("--overwrite", action="store_true", help="write over a file that is there")
    add_picture(record)
    add_connect(record.add_argument_group("many machines"))
    add_relay_credentials(record, listens=False)
    record.add_argument("-v", "--verbose", action="store_true", help="log more, to stderr")
    return record


def parse_probe(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `probe`."""
    return build_probe_parser().parse_intermixed_args(arguments[1:])


def parse_record(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line of `record`."""
    return build_record_parser().parse_intermixed_args(arguments[1:])
