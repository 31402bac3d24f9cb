"""What holds for every test: it leaves nothing behind.

After each test no asyncio task, thread, file descriptor (so no socket, file, pipe, epoll or memfd) and no child
process may be there that was not there before. What is still on its way out gets five seconds; the check looks again
and again, so that a clean test does not wait. pytest's own plugins turn ResourceWarnings and exceptions in threads and
finalizers into failures (`filterwarnings = error`); here asyncio's error log joins them, for that is where "Task
exception was never retrieved" goes.

Fixtures of a wider scope than one test are set up before the "before" is taken, so a browser or a server that several
tests share is not a leak; one that a test opens by `getfixturevalue` would be.
"""

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator

import pytest

GRACE_S = 5.0
IN_CI = os.environ.get("CI") == "true"


def require(condition: object, reason: str) -> None:
    """Skip the test unless the condition holds; where CI=true, fail it: there a test may not go missing.

    Works in a test, in a fixture, and at the top of a module: `from tests.conftest import require`.
    """
    if condition:
        return
    if IN_CI:
        pytest.fail(f"CI=true, and {reason}", pytrace=False)
    pytest.skip(reason, allow_module_level=True)


def open_descriptors() -> dict[int, str]:
    """Return what each open file descriptor refers to; `socket:[12345]` differs from socket to socket."""
    try:
        numbers = os.listdir("/proc/self/fd")
    except FileNotFoundError:  # not Linux: the ResourceWarnings have to do
        return {}
    links = {}
    for number in numbers:
        try:
            links[int(number)] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:  # the one that listdir itself had open
            continue
    return links


def child_processes() -> dict[int, str]:
    """Return the direct children of this process, zombies included, with their names."""
    children = {}
    own = str(os.getpid())
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                head, _, tail = file.read().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        state, parent = tail.split()[:2]
        if parent == own:
            children[int(entry)] = head.partition("(")[2] + (" (zombie)" if state == "Z" else "")
    return children


def describe_descriptor(number: int, link: str) -> str:
    """Say which Python object holds a descriptor, if one does."""
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket) and thing.fileno() == number:
            return f"{link}: {thing!r}"
    return link


class Leftovers:
    """What there was before a test, and what is there now that was not."""

    def __init__(self) -> None:
        self.descriptors = open_descriptors()
        self.threads = set(threading.enumerate())
        self.children = child_processes()

    def now(self) -> list[str]:
        """Return one line for each thing that is new."""
        found = [
            f"file descriptor {number}: {describe_descriptor(number, link)}"
            for number, link in open_descriptors().items()
            if self.descriptors.get(number) != link
        ]
        found += [f"thread {thread!r}" for thread in threading.enumerate() if thread not in self.threads]
        found += [f"child process {pid}: {name}" for pid, name in child_processes().items() if pid not in self.children]
        return found

    def after_grace(self) -> list[str]:
        """Return what is still new when it had its time to end."""
        deadline = time.monotonic() + GRACE_S
        wait_s = 0.001
        while found := self.now():
            if time.monotonic() > deadline:
                return found
            gc.collect()
            time.sleep(wait_s)
            wait_s = min(0.1, wait_s * 2)
        return []


_tasks_left: list[str] = []
_cancel_all_tasks: Callable[[asyncio.AbstractEventLoop], None] = asyncio.runners._cancel_all_tasks


def _note_tasks_left(loop: asyncio.AbstractEventLoop) -> None:
    """Note what `asyncio.run` would cancel without a word at its end, and IsolatedAsyncioTestCase too."""
    deadline = time.monotonic() + GRACE_S
    # With an exception on its way out, a test has failed or expects just that: its tasks had no chance to end.
    while sys.exc_info()[0] is None and (tasks := asyncio.all_tasks(loop)):
        if time.monotonic() > deadline:
            _tasks_left.extend(f"task {task!r}" for task in tasks)
            break
        loop.run_until_complete(asyncio.wait(tasks, timeout=0.1))
    _cancel_all_tasks(loop)


asyncio.runners._cancel_all_tasks = _note_tasks_left


class _AsyncioErrors(logging.Handler):
    """Keeps what asyncio logs as an error: exceptions that nobody looked at, tasks destroyed while pending."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = f": {record.exc_info[1]!r}" if record.exc_info else ""
        self.messages.append(f"asyncio logged: {record.getMessage()}{error}")


_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_failed] = report.failed
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # By their folder, so that `make unit` never starts a browser because a mark was forgotten.
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def pytest_collection_finish() -> None:
    # What is there by now stays to the end: out of the collector's sight, collecting after each test is cheap.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    _tasks_left.clear()
    errors = _AsyncioErrors()
    logging.getLogger("asyncio").addHandler(errors)
    before = Leftovers()
    yield
    try:
        if request.node.stash.get(_failed, False):
            return  # it could not clean up, and its own failure is the one to read
        gc.collect()
        found = _tasks_left + before.after_grace() + errors.messages
    finally:
        logging.getLogger("asyncio").removeHandler(errors)
    if found:
        pytest.fail("the test left behind:\n  " + "\n  ".join(found), pytrace=False)
