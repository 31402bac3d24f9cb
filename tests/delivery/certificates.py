"""Certificates for the tests of TLS, made by openssl, each in a few milliseconds."""

import functools
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import require


@functools.cache
def _pair(name: str) -> tuple[bytes, bytes]:
    require(shutil.which("openssl"), "there is no openssl")
    with tempfile.TemporaryDirectory() as folder:
        cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        words = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "9",
        ]
        names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"]
        subprocess.run([*words, *names, "-out", cert, "-keyout", key], check=True, capture_output=True, timeout=60)
        return cert.read_bytes(), key.read_bytes()


class Pair:
    """A certificate and its key as files.

    Attributes:
        cert: The certificate's file.
        key: The key's file.
    """

    def __init__(self, folder: Path, name: str = "one.example") -> None:
        self.cert = str(folder / "cert.pem")
        self.key = str(folder / "key.pem")
        self.write(name)

    def write(self, name: str, key_of: str = "") -> None:
        """Write the pair for this name; with `key_of`, one whose key is another one's."""
        Path(self.cert).write_bytes(_pair(name)[0])
        Path(self.key).write_bytes(_pair(key_of or name)[1])


def client_context(pair: Pair | None = None) -> ssl.SSLContext:
    """Return what a client uses that trusts this pair, or everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = pair is not None
    context.verify_mode = ssl.CERT_REQUIRED if pair is not None else ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    if pair is not None:
        context.load_verify_locations(pair.cert)
    return context
