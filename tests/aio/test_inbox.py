import asyncio
import unittest

from manyeyes.aio.inbox import Inbox
from tests.aio.support import cancelled, turns


class InboxTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.inbox = Inbox()

    async def test_what_is_there_is_taken_at_once(self):
        self.inbox.put("a")
        self.assertEqual(await self.inbox.next(), "a")
        self.assertFalse(self.inbox.full)

    async def test_the_reader_waits(self):
        task = asyncio.create_task(self.inbox.next())
        await turns()
        self.assertFalse(task.done())
        self.inbox.put("a")
        self.assertEqual(await task, "a")

    async def test_the_newest_stays_and_the_others_are_counted(self):
        self.assertEqual([self.inbox.put(item) for item in "abc"], [False, True, True])
        self.assertEqual(await self.inbox.next(), "c")
        self.assertEqual(self.inbox.dropped, 2)

    async def test_the_time_is_over(self):
        self.assertIsNone(await self.inbox.next(1000))
        self.inbox.put("a")
        self.assertEqual(await self.inbox.next(1000), "a")
        self.assertIsNone(await self.inbox.next(1000))

    async def test_an_item_comes_in_time(self):
        task = asyncio.create_task(self.inbox.next(30000000))
        await turns()
        self.inbox.put("a")
        self.assertEqual(await task, "a")

    async def test_each_reader_has_its_own(self):
        inboxes = [Inbox() for _ in range(3)]
        tasks = [asyncio.create_task(inbox.next()) for inbox in inboxes]
        await turns()
        for inbox in inboxes:
            inbox.put("a")
        for task in tasks:
            self.assertEqual(await task, "a")

    async def test_a_cancelled_wait_loses_nothing(self):
        task = asyncio.create_task(self.inbox.next())
        await turns()
        self.assertIsInstance(await cancelled(task), asyncio.CancelledError)
        self.inbox.put("a")
        self.assertEqual(await self.inbox.next(), "a")
