"""A stand-in for unittest on MicroPython: just enough of it for the shared tests.

The tests of `core`, `aio` and `web` are written once, with `unittest`, and run on both runtimes: on
CPython by pytest with the real module, on MicroPython by `run_shared.py` with this one. The names
and their meaning are the real module's; what is missing here is not for shared tests. A test that
is `async def` belongs into an IsolatedAsyncioTestCase, as on CPython.

Not supported on purpose: mocks, skip decorators (call `skipTest`), discovery, `main`.
"""

import asyncio
import sys

# A finished test's last tasks (a connection that closes, say) get this long to end.
_GRACE_MS = 2000


class SkipTest(Exception):
    """Raised by `skipTest`."""


class _Raises:
    """The context manager of `assertRaises`; `exception` is what was raised."""

    def __init__(self, expected, pattern=None):
        self.expected = expected
        self.pattern = pattern
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            raise AssertionError("%r was not raised" % (self.expected,))
        if not issubclass(kind, self.expected):
            return False
        self.exception = error
        if self.pattern is not None:
            import re

            if not re.search(self.pattern, str(error)):
                raise AssertionError("%r does not match %r" % (self.pattern, str(error)))
        return True


class _SubTest:
    """The context manager of `subTest`: says which case it was when one fails."""

    def __init__(self, message, parameters):
        self.label = "%s %s" % (message or "", parameters)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None and kind is not SkipTest:
            print("  in subTest", self.label)
        return False


class TestCase:
    """One group of tests: each method whose name starts with `test` is run on an instance of its own."""

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def addCleanup(self, function, *args, **kwargs):
        self._cleanups().append((function, args, kwargs))

    def _cleanups(self):
        if not hasattr(self, "_cleanup_list"):
            self._cleanup_list = []
        return self._cleanup_list

    def _run(self, name):
        try:
            self.setUp()
            try:
                result = getattr(self, name)()
                if hasattr(result, "send"):
                    raise AssertionError("%s is async: it needs an IsolatedAsyncioTestCase" % name)
            finally:
                self.tearDown()
        finally:
            while self._cleanups():
                function, args, kwargs = self._cleanups().pop()
                function(*args, **kwargs)

    def skipTest(self, reason):
        raise SkipTest(reason)

    def fail(self, msg=None):
        raise AssertionError(msg or "failed")

    def subTest(self, msg=None, **parameters):
        return _SubTest(msg, parameters)

    def _check(self, good, what, msg):
        if not good:
            raise AssertionError(what if msg is None else "%s : %s" % (what, msg))

    def assertEqual(self, first, second, msg=None):
        self._check(first == second, "%r != %r" % (first, second), msg)

    def assertNotEqual(self, first, second, msg=None):
        self._check(first != second, "%r == %r" % (first, second), msg)

    def assertTrue(self, expr, msg=None):
        self._check(expr, "%r is not true" % (expr,), msg)

    def assertFalse(self, expr, msg=None):
        self._check(not expr, "%r is not false" % (expr,), msg)

    def assertIs(self, first, second, msg=None):
        self._check(first is second, "%r is not %r" % (first, second), msg)

    def assertIsNot(self, first, second, msg=None):
        self._check(first is not second, "unexpectedly identical: %r" % (first,), msg)

    def assertIsNone(self, obj, msg=None):
        self._check(obj is None, "%r is not None" % (obj,), msg)

    def assertIsNotNone(self, obj, msg=None):
        self._check(obj is not None, "unexpectedly None", msg)

    def assertIn(self, member, container, msg=None):
        self._check(member in container, "%r not found in %r" % (member, container), msg)

    def assertNotIn(self, member, container, msg=None):
        self._check(member not in container, "%r unexpectedly found in %r" % (member, container), msg)

    def assertIsInstance(self, obj, cls, msg=None):
        self._check(isinstance(obj, cls), "%r is not an instance of %r" % (obj, cls), msg)

    def assertNotIsInstance(self, obj, cls, msg=None):
        self._check(not isinstance(obj, cls), "%r is an instance of %r" % (obj, cls), msg)

    def assertGreater(self, first, second, msg=None):
        self._check(first > second, "%r not greater than %r" % (first, second), msg)

    def assertGreaterEqual(self, first, second, msg=None):
        self._check(first >= second, "%r not greater than or equal to %r" % (first, second), msg)

    def assertLess(self, first, second, msg=None):
        self._check(first < second, "%r not less than %r" % (first, second), msg)

    def assertLessEqual(self, first, second, msg=None):
        self._check(first <= second, "%r not less than or equal to %r" % (first, second), msg)

    def assertAlmostEqual(self, first, second, places=None, msg=None, delta=None):
        if first == second:
            return
        difference = abs(first - second)
        if delta is not None:
            good = difference <= delta
        else:
            good = round(difference, 7 if places is None else places) == 0
        self._check(good, "%r != %r within %r" % (first, second, places if delta is None else delta), msg)

    def assertRaises(self, expected, function=None, *args, **kwargs):
        context = _Raises(expected)
        if function is None:
            return context
        with context:
            function(*args, **kwargs)

    def assertRaisesRegex(self, expected, pattern, function=None, *args, **kwargs):
        context = _Raises(expected, pattern)
        if function is None:
            return context
        with context:
            function(*args, **kwargs)


class IsolatedAsyncioTestCase(TestCase):
    """Tests that may be `async def`: each has a fresh event loop, and must leave no task in it."""

    async def asyncSetUp(self):
        pass

    async def asyncTearDown(self):
        pass

    def addAsyncCleanup(self, function, *args, **kwargs):
        self._cleanups().append((function, args, kwargs))

    async def _run_async(self, name):
        try:
            self.setUp()
            await self.asyncSetUp()
            try:
                result = getattr(self, name)()
                if hasattr(result, "send"):
                    await result
            finally:
                await self.asyncTearDown()
                self.tearDown()
        finally:
            while self._cleanups():
                function, args, kwargs = self._cleanups().pop()
                result = function(*args, **kwargs)
                if hasattr(result, "send"):
                    await result
        await _no_task_left()

    def _run(self, name):
        asyncio.new_event_loop()  # MicroPython's loop is module state: without this, the last test's tasks go on here
        asyncio.run(self._run_async(name))


def _waiting():
    """Count the tasks that wait for a time or for a socket; one that waits for an Event can't be seen from here."""
    core = asyncio.core
    return (0 if core._task_queue.peek() is None else 1) + len(core._io_queue.map)


async def _no_task_left():
    for _ in range(_GRACE_MS // 10):
        if not _waiting():
            return
        await asyncio.sleep_ms(10)
    raise AssertionError("the test left tasks behind: %r" % (asyncio.core._task_queue.peek() or "waiting for a socket"))


class Result:
    """The counts of one run; prints each failure as it comes."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def _failure(self, label, error):
        self.failed += 1
        print("FAILED %s: %s: %s" % (label, type(error).__name__, error))
        sys.print_exception(error)

    def run_case(self, case, label):
        """Run every test of one TestCase class."""
        for name in sorted(dir(case)):
            if not name.startswith("test"):
                continue
            try:
                case()._run(name)
            except SkipTest as reason:
                self.skipped += 1
                print("SKIPPED %s.%s: %s" % (label, name, reason))
            except Exception as error:
                self._failure("%s.%s" % (label, name), error)
            else:
                self.passed += 1

    def run_module(self, name):
        """Import a module by its dotted name and run its tests; an import that fails is a failed test."""
        try:
            module = __import__(name, None, None, ("*",))
        except Exception as error:
            self._failure(name, error)
            return
        for attribute in sorted(dir(module)):
            case = getattr(module, attribute)
            if isinstance(case, type) and issubclass(case, TestCase):
                self.run_case(case, "%s.%s" % (name, attribute))
