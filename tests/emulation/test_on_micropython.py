"""The same on a real MicroPython: the contract of `csi`, and the tutorial's script."""

import subprocess
import urllib.request

import pytest

from manyeyes.core.multipart_parser import MultipartParser
from tests.emulation.micropython_cam import FRAMES, ROOT, RunningOnMicroPython, environment, interpreter
from tests.emulation.running import LIMIT_S
from tests.serving import numbered

pytestmark = pytest.mark.micropython

CONTRACT = """
import unittest

import csi
from tests.contracts.csi_contract import CsiContract


class TestContract(CsiContract, unittest.TestCase):
    def setUp(self):
        self.csi = csi
"""


def test_the_fake_sensor_keeps_the_same_contract(tmp_path):
    path = interpreter()
    variables = environment(tmp_path, frames=8)
    (tmp_path / "csi_on_a_cam.py").write_text(CONTRACT)
    variables["MICROPYPATH"] += f":{tmp_path}"
    result = subprocess.run(
        [path, "tests/micropython/run_shared.py", "csi_on_a_cam"],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_tutorials_script_with_a_header_of_text(tmp_path):
    frames = {numbered(number): number for number in range(1, FRAMES + 1)}
    with RunningOnMicroPython(tmp_path) as script:
        with urllib.request.urlopen(script.url + "snapshot.jpg", timeout=LIMIT_S) as response:
            first = frames[response.read()]
        numbers: list[int] = []
        with urllib.request.urlopen(script.url + "stream.jpg", timeout=LIMIT_S) as response:
            assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
            parser = MultipartParser("frame")
            while len(numbers) < 10:
                numbers += [frames[bytes(jpeg)] for _, jpeg in parser.feed(response.read1(65536))]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))  # none twice, none left out, none torn
    assert numbers[0] > first
