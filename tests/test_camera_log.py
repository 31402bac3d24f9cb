import logging

from manyeyes.aio.capture import IDLE, LIVE, LOST, STARTING, Capture
from manyeyes.aio.encoder import Encoder
from manyeyes.aio.hub import Hub
from manyeyes.camera_log import CameraEvents, log_change
from manyeyes.testing import FakeSource


def test_lines_are_events(caplog):
    events = CameraEvents()
    capture = events.capture = Capture(FakeSource(), Hub("front"), Encoder(), log=events)
    with caplog.at_level(logging.INFO, "manyeyes"):
        for state, reason in (
            (LIVE, ""), (LIVE, ""), (LOST, "unplugged"), (LOST, "busy"), (STARTING, ""), (LIVE, ""), (IDLE, ""),
        ):  # fmt: skip
            capture.state, capture.reason = state, reason
            events("words")
    assert [record.event for record in caplog.records] == [
        "camera_live", "camera_fault", "camera_lost", "camera_lost", "camera_fault", "camera_live", "camera_idle",
    ]  # fmt: skip
    assert [record.levelname for record in caplog.records][:3] == ["INFO", "WARNING", "WARNING"]
    assert caplog.records[2].fields == {
        "camera": "front", "source": "fake:", "reason": "unplugged", "format": None, "width": None, "height": None,
    }  # fmt: skip
    assert caplog.messages == ["words"] * 7


def test_a_change_of_settings(caplog):
    with caplog.at_level(logging.INFO, "manyeyes"):
        log_change("front", {"quality": 50, "fps": 5}, "192.0.2.1:4000")
    (record,) = caplog.records
    assert record.getMessage() == "front: changed by 192.0.2.1:4000: quality 50, fps 5"
    assert record.fields == {"camera": "front", "peer": "192.0.2.1:4000", "changes": {"quality": 50, "fps": 5}}
