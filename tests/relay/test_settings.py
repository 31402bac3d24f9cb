"""What a machine answers about its settings; the machines themselves are in test_far_camera.py."""

import json

from manyeyes.aio.camera import Camera
from manyeyes.aio.hub import Hub
from manyeyes.core.errors import SourceNoSignal
from manyeyes.relay.settings import MAX_BYTES, answer
from tests.relay.machines import run
from tests.web.calls import knobs_capture


def asked(payload, allowed=True, camera=None):
    """Return whether it went well, the answer, and the camera."""
    hub = Hub("front")
    camera = camera or Camera(hub, knobs_capture(hub))
    told = []

    async def main():
        told.append(await answer(camera, allowed, payload))

    run(main)
    [(good, data)] = told
    return good, json.loads(data), camera


def test_without_a_payload_it_shows_and_with_one_it_changes():
    good, before, camera = asked(None)
    assert good
    assert before == camera.config()
    good, after, _ = asked(b'{"quality": 33}', camera=camera)
    assert good
    assert after == before | {"quality": 33} == camera.config()


def test_what_is_not_allowed_names_the_option():
    for payload in (None, b'{"quality": 33}'):
        good, told, camera = asked(payload, allowed=False)
        assert not good
        assert told["status"] == 403
        assert "--allow-config" in told["error"]
        assert "front" in told["error"]
        assert camera.config()["quality"] != 33


def test_a_bad_value_is_refused_as_at_the_camera_itself():
    good, told, camera = asked(b'{"quality": 1000}')
    assert not good
    assert (told["status"], told["key"], told["allowed"]) == (400, "quality", {"min": 1, "max": 100})
    for payload in (
        b"",
        b"no JSON",
        b"[1]",
        b"[" * 60000,
        b"\xff",
        b'{"a": "' + b"x" * MAX_BYTES + b'"}',
        b'{"odd": 1}',
    ):
        good, told, _ = asked(payload, camera=camera)
        assert (good, told["status"]) == (False, 400)


def test_a_camera_that_cannot_be_asked():
    class Broken(Camera):
        async def settings(self):
            raise SourceNoSignal("it is gone")

    good, told, _ = asked(None, camera=Broken(Hub("front")))
    assert not good
    assert (told["status"], told["error"]) == (503, "it is gone")
