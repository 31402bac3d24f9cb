"""Slots: the few buffers that all frames of a cam live in, one after the other.

At 30 frames of 15 KB a second, buffers that are made and thrown away keep the garbage collector busy and leave
the heap in pieces, until there is no room for a frame though half of it is free. So there are a few
fixed ones. A frame is copied out of the sensor's buffer into a slot that nobody is sending, once, with its
multipart header before it and the next one's behind it. Where no slot is free the frame is dropped.

Who sends a slot counts himself in `holders` meanwhile. Everybody else gets a copy: `frame.data` and `frame.part` make
one, while the slot still has that frame.
"""

from manyeyes.aio.csi import CsiEncoder
from manyeyes.core.errors import EncodeError, SourceNoSignal
from manyeyes.core.frame import JPEG, Frame
from manyeyes.core.multipart import BROWSER, TAIL, Part, part_header

_HEADER_BYTES = 128  # of a part in the length framing: 105 with today's clock
_STEP_BYTES = 512


class Slot:
    """One buffer.

    Attributes:
        holders: How many are sending from it.
        frame: The SlotFrame that is in it.
        seq: Grows with each frame, to tell the oldest slot.
        size_bytes: How long what is in it is, with all headers.
    """

    def __init__(self, jpeg_bytes):
        self.room_bytes = (jpeg_bytes + _STEP_BYTES - 1) // _STEP_BYTES * _STEP_BYTES
        self.holders = 0
        self.frame = None
        self.seq = 0
        self.size_bytes = 0
        self._all = memoryview(bytearray(_HEADER_BYTES + self.room_bytes + len(TAIL)))
        self._begin = self._end = _HEADER_BYTES

    def fill(self, jpeg, wall_us):
        """Copy a JPEG in, with the headers around it."""
        header = part_header(len(jpeg), wall_us)
        self._begin = _HEADER_BYTES - len(header)
        self._end = _HEADER_BYTES + len(jpeg)
        self.size_bytes = len(header) + len(jpeg) + len(TAIL)
        self._all[self._begin : _HEADER_BYTES] = header
        self._all[_HEADER_BYTES : self._end] = jpeg
        self._all[self._end : self._end + len(TAIL)] = TAIL

    def view(self, framing):
        """Return what a viewer of this framing is sent."""
        if framing == BROWSER:
            return self._all[_HEADER_BYTES : self._end + len(TAIL)]
        return self._all[self._begin : self._end + 2]

    def copy(self):
        """Return the JPEG alone, as bytes of its own."""
        return bytes(self._all[_HEADER_BYTES : self._end])


class SlotFrame(Frame):
    """A JPEG frame in a slot, until a newer one takes its place."""

    def __init__(self, slot, frame):  # not Frame's own: there is no data to keep
        self.slot = slot
        self.format = JPEG
        self.width = frame.width
        self.height = frame.height
        self.capture_us = frame.capture_us
        self.wall_us = frame.wall_us
        self.placeholder = ""
        self.checked = True
        self.seq = 0

    @property
    def data(self):
        """A copy of the JPEG.

        Raises:
            SourceNoSignal: If a newer frame is in the slot, or there is no memory.
        """
        if self.slot.frame is not self:
            raise SourceNoSignal("the frame was replaced by a newer one: take it at once")
        try:
            return self.slot.copy()
        except MemoryError:
            pass
        raise SourceNoSignal("no memory for a copy of the frame")

    @property
    def part(self):
        """A copy of the part."""
        return Part(self.data, self.wall_us)


class SlotEncoder(CsiEncoder):
    """Compresses on the board, in place, and copies the JPEG into a slot.

    Args:
        quality: 1 to 100.
        count: How many slots there may be.
        max_bytes: How much they may take together; two there are in any case.

    Attributes:
        crowded: Frames dropped because all slots were being sent.
    """

    def __init__(self, quality, count, max_bytes):
        super().__init__(quality)
        self.crowded = 0
        self.slots = []
        self._seq = 0
        self.count = max(2, count)
        self.max_bytes = max_bytes

    async def encode(self, frame):
        """Return the frame in a slot, None if all are being sent; the image's buffer is free afterwards.

        Raises:
            EncodeError: If the firmware refuses, or there is no memory.
        """
        words = ""
        try:
            jpeg = frame.data.compress(quality=self.quality).bytearray()
            slot = self._free(len(jpeg))
            if slot is not None:
                slot.fill(jpeg, frame.wall_us)
                self._seq += 1
                slot.seq = self._seq
                slot.frame = SlotFrame(slot, frame)
                return slot.frame
            self.crowded += 1
            return None
        except MemoryError:
            self.memory_faults += 1
            words = "no memory for a frame"
        except (OSError, ValueError, RuntimeError) as error:
            words = "compress(quality=%d): %s" % (self.quality, error)
        raise EncodeError(words)  # out here, for `raise ... from` prints a warning on MicroPython, with each frame

    def _free(self, jpeg_bytes):
        """Return a slot that nobody sends, if possible not that of the newest frame; None if there is none."""
        fits = small = None
        for slot in self.slots:
            if slot.holders:
                continue
            if slot.room_bytes < jpeg_bytes:
                small = slot
            elif fits is None or slot.seq < fits.seq:
                fits = slot
        if fits is not None:
            return fits
        if small is not None:
            self.slots.remove(small)  # its memory first, then the new one's
        limit = max(2, min(self.count, self.max_bytes // (jpeg_bytes + _HEADER_BYTES)))
        if len(self.slots) >= limit:
            return None
        fits = Slot(jpeg_bytes)
        self.slots.append(fits)
        if len(self.slots) == 1:
            self.slots.append(Slot(jpeg_bytes))  # the two there are in any case, side by side in the heap
        return fits
