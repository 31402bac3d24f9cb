"""The inputs that are kept are replayed, and the targets can fail."""

from pathlib import Path

import pytest

from manyeyes.delivery import connection
from tests.fuzz.targets import Requests, check_answers, parsers

CORPUS = Path(__file__).with_name("corpus")


@pytest.fixture
def requests():
    target = Requests()
    yield target
    target.close()


def kept(name):
    files = sorted((CORPUS / name).iterdir())
    assert len(files) > 20
    return [file.read_bytes() for file in files]


def test_requests_that_are_kept(requests):
    for data in kept("request"):
        requests(data)


def test_bytes_for_parsers_that_are_kept():
    for data in kept("parsers"):
        parsers(data)


def test_nothing_at_all(requests):
    for data in (b"", b"\0", b"\0\0"):
        requests(data)
        parsers(data)


def test_a_bug_in_the_request_path_is_found(requests, monkeypatch):
    def buggy(data):
        raise KeyError("host")

    monkeypatch.setattr(connection, "parse_head", buggy)
    with pytest.raises(AssertionError, match="KeyError"):
        requests(b"\0\0GET / HTTP/1.1\r\nHost: h\r\n\r\n")


def test_answers_that_are_none_are_found():
    good = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 2\r\n\r\nok"
    check_answers(good * 3, False)
    for wrong in (
        good + b"x",
        good[:-1] + b"HTTP/1.1",
        good.replace(b"200", b"500"),
        good.replace(b"\r\nCache-Control: no-store", b""),
    ):
        with pytest.raises((AssertionError, ValueError)):
            check_answers(wrong, False)
