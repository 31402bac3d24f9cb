"""The arguments of every command that has a part in the relay: where other machines are, and who may connect."""

import argparse


def add_connect(group: argparse._ArgumentGroup) -> None:
    """Add the option that says where to connect to."""
    group.add_argument("--connect", action="append", metavar="ENDPOINT", default=[],
                       help="another machine, as tcp/HOST:7447 or tls/HOST:7447; may be given again")  # fmt: skip


def add_endpoints(group: argparse._ArgumentGroup) -> None:
    """Add the options that say where other machines are."""
    add_connect(group)
    group.add_argument(
        "--listen", action="append", metavar="ENDPOINT", default=[],
        help="where other machines connect to, as tcp/0.0.0.0:7447; may be given again; "
             "with neither, machines in one network find each other",
    )  # fmt: skip


def add_relay_credentials(parser: argparse.ArgumentParser, listens: bool = True) -> None:
    """Add the options about who may view and publish, for every command with a part in the relay."""
    group = parser.add_argument_group("many machines: who may connect (docs/many-machines.md)")
    for option, metavar, text in (
        ("--relay-ca", "FILE", "the CA of tls/ endpoints; who listens demands a certificate of it"),
        ("--relay-cert", "FILE", "this machine's certificate"),
        ("--relay-key", "FILE", "its key"),
        ("--relay-user", "NAME", "name of this machine for those it connects to"),
        ("--relay-password-file", "FILE", "a file with its password"),
    ):
        group.add_argument(option, metavar=metavar, help=text)
    if not listens:
        return
    group.add_argument("--relay-users", metavar="FILE", help="who may connect here: lines NAME:PASSWORD")
    group.add_argument(
        "--relay-allow", action="append", metavar="NAME=PATTERN[,PATTERN]", default=[],
        help="what a user, or a certificate of this name, may view, as manyeyes/SITE/*; also config:PATTERN, "
             "publish:PATTERN; others may nothing then; may be given again",
    )  # fmt: skip
