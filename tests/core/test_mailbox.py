import unittest

from manyeyes.core.mailbox import Mailbox


class MailboxTest(unittest.TestCase):
    def test_one_item_goes_in_and_out(self):
        box = Mailbox()
        self.assertIsNone(box.take())
        self.assertFalse(box.put("one"))
        self.assertTrue(box.full)
        self.assertEqual(box.take(), "one")
        self.assertFalse(box.full)
        self.assertIsNone(box.take())
        self.assertEqual(box.dropped, 0)

    def test_the_newest_wins_and_the_others_are_counted(self):
        box = Mailbox()
        self.assertEqual([box.put(number) for number in (1, 2, 3)], [False, True, True])
        self.assertEqual((box.take(), box.dropped), (3, 2))
        self.assertFalse(box.put(4))
        self.assertEqual((box.take(), box.dropped), (4, 2))

    def test_items_that_are_false_are_items(self):
        box = Mailbox()
        for item in (0, "", b"", []):
            self.assertFalse(box.put(item))
            self.assertTrue(box.full)
            self.assertEqual(box.take(), item)

    def test_items_are_not_copied(self):
        box, item = Mailbox(), []
        box.put(item)
        self.assertIs(box.take(), item)

    def test_repr(self):
        box = Mailbox()
        self.assertEqual(repr(box), "<Mailbox empty, 0 dropped>")
        box.put(1)
        box.put(2)
        self.assertEqual(repr(box), "<Mailbox full, 1 dropped>")
