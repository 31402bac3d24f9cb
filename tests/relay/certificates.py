"""Certificates and passwords for the tests, made by the very commands of docs/many-machines.md."""

import re
import subprocess
import time
from pathlib import Path

from manyeyes.relay.credentials import Credentials

DOCUMENT = Path(__file__).parents[2] / "docs/many-machines.md"
HERE = "DNS:localhost,IP:127.0.0.1"


def blocks() -> list[str]:
    """Return the commands of the document: a CA, a certificate, files of users."""
    return re.findall(r"^```sh\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def run(commands: str, folder: Path) -> None:
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


class Authority:
    """A CA in a folder of its own, and what it makes."""

    def __init__(self, folder: Path, name: str = "cameras") -> None:
        folder.mkdir()
        self._folder = folder
        run(blocks()[0].replace("/CN=cameras", f"/CN={name}"), folder)
        self.ca = str(folder / "ca.pem")

    def make(self, name: str, reached_as: str = HERE, days: int = 825) -> Credentials:
        """Return the credentials of a machine that believes this CA; with 0 days they have expired."""
        commands = re.sub("^name=.*$", f"name={name} reached_as={reached_as}", blocks()[1], flags=re.MULTILINE)
        run(commands.replace("-days 825", f"-days {days}"), self._folder)
        made = time.time()
        while days == 0 and time.time() < made + 2:  # it is valid to the end of the second in which it was made
            time.sleep(0.1)
        return Credentials(self.ca, str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key"))


def options(credentials: Credentials) -> list[str]:
    """Return them as on a command line."""
    found = []
    for name in Credentials.__slots__:
        value = getattr(credentials, name)
        for one in value if isinstance(value, tuple) else [value]:
            if one is not None:
                found += ["--relay-" + name.replace("_", "-"), one]
    return found


def secret_file(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return str(path)
