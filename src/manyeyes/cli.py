"""The command line: arguments in, exit code out. What it means is said in config.py, done in server.py and commands.py.

A command is a line in COMMANDS: what it is for, what reads its arguments, and the one that does it.
"""

import argparse
import asyncio
import difflib
import gc
import logging
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from . import logs
from .arguments import RUN_SOURCE, parse, parse_run, parse_snapshot, parse_sources
from .arguments_access import parse_link, parse_passwd
from .arguments_config import parse_config
from .arguments_router import parse_router
from .arguments_watching import parse_probe, parse_record
from .config import Settings, parse_cameras, parse_controls, validated
from .config_layers import FILE_VARIABLE, Loaded, load
from .core.errors import ConfigError, ManyeyesError
from .progress import Progress

log = logging.getLogger("manyeyes")


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Return the settings that a parsed command line with cameras means.

    Raises:
        ConfigError: If one is wrong.
    """
    values = {key: value for key, value in vars(arguments).items() if key in Settings.model_fields}
    values["controls"] = parse_controls(arguments.controls)
    if arguments.sources:
        values["cameras"] = parse_cameras(arguments.sources)
    return validated(**values)


def loaded_from(arguments: argparse.Namespace) -> Loaded:
    """Return the settings of `serve`: its command line's, and those that were said before it.

    Raises:
        ConfigError: If one is wrong.
    """
    given = {key: getattr(arguments, key) for key in arguments.given if key in Settings.model_fields}
    if arguments.controls:
        given["controls"] = parse_controls(arguments.controls)
    if arguments.sources:
        given["cameras"] = parse_cameras(arguments.sources)
    return load(arguments.config, os.environ, given)


def _serve(parsed: argparse.Namespace) -> int:
    loaded = loaded_from(parsed)
    notes = list(loaded.notes)

    def with_cameras(loaded: Loaded) -> Settings:
        if "cameras" in loaded.origins:
            return loaded.settings
        from .commands import default_source  # here, so that --help and a wrong option answer at once

        found_here = [default_source(tell=notes.append)] if loaded.settings.discover is None else []
        return loaded.settings.model_copy(update={"cameras": parse_cameras(found_here)})

    def again() -> Settings:
        return with_cameras(loaded_from(parsed))

    logs.set_up(loaded.settings.log_format, parsed.verbose, sys.stderr)
    settings = with_cameras(loaded)

    def announce(line: str) -> None:
        _say(line)
        for note in notes:  # now: what ends the start is one line
            log.warning("%s", note)

    from_file = bool(parsed.config or os.environ.get(FILE_VARIABLE))
    if settings.workers is not None:
        from .supervisor import supervise  # and that process stays small

        return asyncio.run(supervise(settings, announce, parsed.verbose, from_file))
    from .serving import serve

    # What was imported stays: with these 40,000 objects a full collection would stop the pictures for 20 ms.
    gc.freeze()
    asyncio.run(serve(settings, announce, again if from_file else None))
    return 0


def _config(parsed: argparse.Namespace) -> int:
    loaded = load(parsed.file, os.environ, {})
    from .commands import check_settings
    from .config_show import show

    for note in loaded.notes:
        log.warning("%s", note)
    if parsed.what == "show":
        _say(show(loaded).rstrip())
    else:
        try:
            names = check_settings(loaded.settings)
        except ConfigError as error:
            where = parsed.file or os.environ.get(FILE_VARIABLE) or "the environment"
            raise ConfigError(f"{where}: {error}", error.key, error.value, error.allowed) from error
        _say(f"manyeyes: the settings can be; cameras: {names if 'cameras' in loaded.origins else 'none named'}")
    return 0


def _run(parsed: argparse.Namespace) -> int:
    from .commands import default_source, run_script

    # Told with -v only: a script's stderr is its own.
    source = parsed.source or default_source(RUN_SOURCE, log.debug)
    return run_script(parsed.script, parsed.arguments, source, parsed.port, parsed.open, _say)


def _sources(parsed: argparse.Namespace) -> int:
    from .commands import describe_sources

    _say(describe_sources(parsed.json))
    return 0


def _snapshot(parsed: argparse.Namespace) -> int:
    from .commands import default_source, take_snapshot

    parsed.sources = [parsed.source or default_source()]
    jpeg = asyncio.run(take_snapshot(settings_from(parsed), parsed.timeout))
    try:
        if parsed.output == "-":
            sys.stdout.buffer.write(jpeg)
            sys.stdout.flush()
        else:
            _write(parsed.output, jpeg)
    except OSError as error:
        raise ManyeyesError(f"cannot write {parsed.output}: {(error.strerror or 'failed').lower()}") from error
    return 0


def _passwd(parsed: argparse.Namespace) -> int:
    from .access.command import passwd

    for line in passwd(parsed):
        _say(line)
    return 0


def _link(parsed: argparse.Namespace) -> int:
    from .access.command import link

    _say(link(parsed.users, parsed.camera, parsed.duration, parsed.user, parsed.url))
    return 0


def _write(path: str, data: bytes) -> None:
    """Write a file whole or not at all: whoever looks at it every minute never finds half a picture."""
    if not os.path.isfile(path) and os.path.exists(path):  # a device, a pipe: there is nothing to put in its place
        with open(path, "wb") as file:
            file.write(data)
        return
    beside = f"{path}.{os.getpid()}.part"
    try:
        with open(beside, "wb") as file:
            file.write(data)
        os.replace(beside, path)
    except OSError:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def _probe(parsed: argparse.Namespace) -> int:
    from .commands import measure

    progress = Progress(sys.stderr)
    try:
        text, good = asyncio.run(measure(parsed.url, parsed.for_s, parsed.json, progress))
    finally:
        progress.end()
    _say(text)
    return 0 if good else 1


def _record(parsed: argparse.Namespace) -> int:
    from .commands import default_source, record

    parsed.sources = [parsed.source or default_source()]
    progress = Progress(sys.stderr)
    try:
        settings = settings_from(parsed)
        text = asyncio.run(record(settings, parsed.output, parsed.for_s, parsed.every_s, parsed.overwrite, progress))
    finally:
        progress.end()
    _say(text)
    return 0


def _router(parsed: argparse.Namespace) -> int:
    from .router import route

    given = {key: value for key, value in vars(parsed).items() if key in Settings.model_fields and value is not None}
    patterns = tuple(parsed.patterns or ["manyeyes/**"])
    asyncio.run(route(patterns, validated(**given), parsed.port is not None, _say))
    return 0


class Command(NamedTuple):
    """One command: what it is for; what reads its command line, its name included; what does it: the exit code."""

    purpose: str
    parse: Callable[[list[str]], argparse.Namespace]
    do: Callable[[argparse.Namespace], int]


DEFAULT = "serve"
COMMANDS = {
    "serve": Command("show cameras to browsers (the default: the word may be left out)", parse, _serve),
    "sources": Command("list the cameras of this machine", parse_sources, _sources),
    "snapshot": Command("take one picture", parse_snapshot, _snapshot),
    "probe": Command("measure a stream: rate, jitter, age, and what is wrong with it", parse_probe, _probe),
    "record": Command("write a camera's pictures into a file or a folder", parse_record, _record),
    "passwd": Command("say who may see and change what", parse_passwd, _passwd),
    "link": Command("make a URL that shows one camera for a while", parse_link, _link),
    "config": Command("judge settings, or show those that hold, and where from", parse_config, _config),
    "router": Command("pass cameras of other machines on", parse_router, _router),
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
    if meant := "" if named else _meant(arguments[:1]):
        print(
            f"manyeyes: {arguments[0]}: no such command, file or folder; did you mean manyeyes {meant}?",
            file=sys.stderr,
        )
        return 2
    command = COMMANDS[arguments[0] if named else DEFAULT]
    parsed = command.parse(arguments)
    if command.do is not _serve:  # its settings say how it logs
        logs.set_up(logs.TEXT, parsed.verbose, sys.stderr)
    try:
        return command.do(parsed)
    except ConfigError as error:
        print(f"manyeyes: {error}", file=sys.stderr)
        return 2
    except ManyeyesError as error:
        print(f"manyeyes: {error}", file=sys.stderr)
        return 1


def _meant(words: list[str]) -> str:
    """Return the command that is nearest to a word, if it can be nothing else."""
    if not words or not words[0].isalpha() or os.path.lexists(words[0]):
        return ""
    return next(iter(difflib.get_close_matches(words[0], COMMANDS, 1)), "")


def _say(line: str) -> None:
    """Print the line that scripts wait for."""
    try:
        print(line, flush=True)
    except OSError as error:
        # What is still buffered would be tried again at exit, and fail with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ManyeyesError(f"cannot write to standard output: {(error.strerror or 'failed').lower()}") from error
