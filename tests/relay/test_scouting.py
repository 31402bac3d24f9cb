"""Two machines in one network find each other: hosts of their own, a cable, multicast, and no endpoints given."""

import json
import sys

import pytest

from tests.conftest import require
from tests.relay.fleet.hosts import Cable, hosts, lacking
from tests.relay.fleet.programs import Program
from tests.relay.test_link import READ
from tests.serving import numbered

pytestmark = pytest.mark.timeout(180)

PICTURES = 30
CAMERA = ("-m", "manyeyes", "--publish=yard", "--open", "--linger", "0", "--port", "8080")
VIEWER = ("-m", "manyeyes", "far=zenoh:manyeyes/yard/front", "--linger", "0", "--port", "8080")


@pytest.mark.parametrize("first", ["camera", "viewer"])
def test_they_find_each_other(first, tmp_path):
    require(lacking() is None, str(lacking()))
    for number in range(12):
        (tmp_path / f"{number:02}.jpg").write_bytes(numbered(number))
    commands = {"camera": (*CAMERA, f"front={tmp_path}?fps=30"), "viewer": VIEWER}
    with hosts("camera", "viewer") as machines:
        cable = Cable(machines["camera"], machines["viewer"], 31)
        programs = []
        try:
            for name in (first, *(commands.keys() - {first})):
                program = Program(machines[name], *commands[name], ready="manyeyes: ")
                programs.append(program)
            before_bytes = cable.carried_bytes()
            url = "http://127.0.0.1:8080/"
            read = json.loads(machines["viewer"].run(sys.executable, "-c", READ, url, str(PICTURES)))
            # All that was seen came through the cable.
            assert sum(size_bytes for _, size_bytes in read["rows"]) < cable.carried_bytes() - before_bytes
            assert read["status"]["relay"]["peers"] == 1
        finally:
            for program in programs:
                program.end()
