"""`home`: each test of this folder runs against the host on CPython and against the cam on MicroPython."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.homes import Cam, Home, Host
from tests.conftest import require

HOST = "host"
CAM = pytest.param("cam", marks=pytest.mark.micropython)
OLD_CAM = pytest.param("cam-microdot-2.6.2", marks=pytest.mark.micropython)


def newest_microdot() -> Path:
    spec = importlib.util.find_spec("microdot")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def frozen_microdot() -> Path:
    """Return the release that firmware 5.0 has built in; `make test` puts it beside the environment's own."""
    path = Path(sys.prefix) / "microdot-2.6.2" / "microdot"
    require(path.is_dir(), "microdot 2.6.2 is not there: make .venv/.test")
    return path


@pytest.fixture(scope="module", params=[HOST, CAM])
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with Host() if request.param == "host" else Cam(newest_microdot(), send_buffer_bytes=6400) as home:
        yield home


@pytest.fixture(scope="module", params=[HOST, CAM, OLD_CAM])
def each_home(request: pytest.FixtureRequest) -> Iterator[Home]:
    """As `home`, and on the cam once more with the Microdot that the firmware has: for what Microdot decides."""
    if request.param == "host":
        made: Home = Host()
    else:
        made = Cam(newest_microdot() if request.param == "cam" else frozen_microdot())
    with made as home:
        yield home


@pytest.fixture(scope="module", params=[HOST, CAM])
def settable(request: pytest.FixtureRequest) -> Iterator[Home]:
    """A home whose camera can change its size and quality: on the host, the test pattern."""
    with Host("test:?size=320x240") if request.param == "host" else Cam(newest_microdot()) as home:
        yield home


@pytest.fixture
def nobody(home: Home) -> Iterator[None]:
    """Begin and end with nobody watching."""
    home.quiet()
    yield
    home.quiet()
