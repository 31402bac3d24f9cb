"""slots.py: buffers are used again, never under somebody who sends from them."""

import unittest

from slots import SlotEncoder

from manyeyes.core.errors import EncodeError, SourceNoSignal
from manyeyes.core.frame import Frame
from manyeyes.core.multipart import BROWSER, LENGTH, Part


class Image:
    """A picture whose JPEG is what the test says."""

    def __init__(self, jpeg):
        self.jpeg = jpeg

    def compress(self, *, quality):
        if isinstance(self.jpeg, Exception):
            raise self.jpeg
        return self

    def bytearray(self):
        return bytearray(self.jpeg)


async def encode(encoder, jpeg, wall_us=1700000000000042):
    return await encoder.encode(Frame(Image(jpeg), "CSI", 320, 240, 5, wall_us))


class SlotsTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.encoder = SlotEncoder(85, 4, 10000)

    async def test_the_bytes_are_a_parts_own(self):
        for size in (0, 1, 600, 3000):
            jpeg = bytes([size & 255]) * size
            frame = await encode(self.encoder, jpeg)
            part = Part(jpeg, frame.wall_us)
            for framing in (BROWSER, LENGTH):
                self.assertEqual(bytes(frame.slot.view(framing)), bytes(part.view(framing)))
                self.assertEqual(bytes(frame.part.view(framing)), bytes(part.view(framing)))
            self.assertEqual(frame.data, jpeg)
            self.assertEqual((frame.width, frame.height, frame.capture_us, frame.checked), (320, 240, 5, True))

    async def test_two_slots_take_turns(self):
        slots = []
        for _ in range(6):
            frame = await encode(self.encoder, b"x" * 1000)
            slots.append(frame.slot)
        self.assertEqual(len(self.encoder.slots), 2)
        for i in range(2, 6):
            self.assertIs(slots[i], slots[i - 2])
            self.assertIsNot(slots[i], slots[i - 1])

    async def test_what_is_being_sent_stays(self):
        held = []
        for i in range(4):  # two slots at first, then more, as many as may be
            held.append(await encode(self.encoder, bytes([i]) * 1000))
            held[i].slot.holders += 1
        self.assertIs(await encode(self.encoder, b"y" * 1000), None)
        self.assertEqual(self.encoder.crowded, 1)
        for i in range(4):
            self.assertEqual(held[i].data, bytes([i]) * 1000)
        held[2].slot.holders -= 1
        self.assertIs((await encode(self.encoder, b"y" * 1000)).slot, held[2].slot)
        with self.assertRaisesRegex(SourceNoSignal, "replaced"):
            held[2].data  # noqa: B018
        with self.assertRaises(SourceNoSignal):
            held[2].part  # noqa: B018

    async def test_bytes_bound_the_slots_too(self):
        for _ in range(2):
            frame = await encode(self.encoder, b"x" * 4000)
            frame.slot.holders += 1
        self.assertIs(await encode(self.encoder, b"x" * 4000), None)

    async def test_a_larger_frame_gets_a_larger_slot(self):
        for _ in range(3):
            await encode(self.encoder, b"x" * 1000)
        for size in (5000, 9000, 9001, 200):
            for _ in range(3):
                frame = await encode(self.encoder, b"z" * size)
            self.assertEqual(frame.data, b"z" * size)
            self.assertEqual(len(self.encoder.slots), 2)

    async def test_what_the_firmware_refuses(self):
        for error in (
            OSError("Compression Failed!"),
            ValueError("Quality ranges between 0 and 100"),
            RuntimeError("x"),
        ):
            with self.assertRaisesRegex(EncodeError, "quality=85"):
                await encode(self.encoder, error)
        with self.assertRaisesRegex(EncodeError, "no memory"):
            await encode(self.encoder, MemoryError())
        self.assertEqual(self.encoder.memory_faults, 1)
