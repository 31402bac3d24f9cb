import unittest

from manyeyes.core import errors
from manyeyes.core.errors import (
    BadFrame,
    ConfigError,
    EncodeError,
    FrameError,
    HubClosed,
    ManyeyesError,
    NotAllowed,
    ProtocolError,
    RequestError,
    SourceBusy,
    SourceEnded,
    SourceError,
    SourceNoSignal,
    SourceNotFound,
    SourceUnsupported,
)

TREE = (
    (ManyeyesError, Exception),
    (ConfigError, ManyeyesError),
    (NotAllowed, ManyeyesError),
    (SourceError, ManyeyesError),
    (SourceNotFound, SourceError),
    (SourceBusy, SourceError),
    (SourceUnsupported, SourceError),
    (SourceNoSignal, SourceError),
    (SourceEnded, SourceError),
    (FrameError, ManyeyesError),
    (BadFrame, FrameError),
    (EncodeError, FrameError),
    (ProtocolError, ManyeyesError),
    (RequestError, ProtocolError),
    (HubClosed, ManyeyesError),
)


class TestTree(unittest.TestCase):
    def test_each_has_its_place(self):
        for kind, base in TREE:
            self.assertEqual((kind, kind.__bases__), (kind, (base,)))

    def test_the_table_above_is_complete(self):
        kinds = [name for name in dir(errors) if isinstance(getattr(errors, name), type) and name[0] != "_"]
        self.assertEqual(sorted(kinds), sorted([kind.__name__ for kind, _ in TREE]))

    def test_all_are_caught_as_the_base_with_their_message(self):
        for kind, _ in TREE:
            try:
                raise kind("what went wrong")
            except ManyeyesError as error:
                self.assertEqual((kind, str(error), error.args), (kind, "what went wrong", ("what went wrong",)))


class TestAttributes(unittest.TestCase):
    def test_config_error(self):
        error = ConfigError("quality: got 101, expected 1 to 100", "quality", 101, "1 to 100")
        self.assertEqual((error.key, error.value, error.allowed), ("quality", 101, "1 to 100"))
        error = ConfigError("no")
        self.assertEqual((error.key, error.value, error.allowed), (None, None, None))

    def test_source_errors(self):
        for kind, base in TREE:
            if SourceError in (kind, base):
                self.assertEqual((kind, kind("gone", "rtsp://cam/1").source), (kind, "rtsp://cam/1"))
                self.assertEqual((kind, kind("gone").source), (kind, ""))

    def test_offsets(self):
        for kind in (BadFrame, ProtocolError):
            self.assertEqual((kind, kind("bad", 17).offset), (kind, 17))
            self.assertEqual((kind, kind("bad").offset), (kind, 0))

    def test_request_error(self):
        self.assertEqual((RequestError("too long", 431).status, RequestError("too long", 431).offset), (431, 0))
        self.assertEqual(RequestError("bad").status, 400)
