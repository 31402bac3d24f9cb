"""One opening of a V4L2 device, from open() to close(): set up, streamed from, taken down.

`start()` and `stop()` belong to the source's thread, for a driver may take its time over them. `take`, `view`,
`copy` and `give_back` never wait and belong to the event loop. After `stop()` a stream is used up.
"""

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import ConfigError, SourceError, SourceNoSignal, SourceUnsupported
from . import _v4l2_abi as abi
from ._v4l2_choice import Asked, Mode, choose, usable
from ._v4l2_controls import Controls, Value
from ._v4l2_device import Device, Layout, Node, Sizes, translated
from ._v4l2_formats import KINDS, Array, Shapes
from ._v4l2_queue import Filled, Queue

OpenNode = Callable[[str], Node]

_NO_SIGNAL = {
    errno.ENOLINK: "no signal; is something plugged in, and on?",
    errno.ENOLCK: "the signal is not stable",
    errno.ERANGE: "the signal is one that the device can't take; try another resolution there",
}


class Wanted(NamedTuple):
    """What a stream is to be like.

    Attributes:
        asked: Format, size and rate.
        input: Number of the input; None leaves it.
        limited: Whether samples are of limited range; None believes the driver.
        controls: Values to set again, by the driver's names.
        preset: Values to set as the command line has them.
    """

    asked: Asked
    input: int | None
    limited: bool | None
    controls: dict[str, Value]
    preset: dict[str, str]


class Stream:
    """A stream of pictures.

    Args:
        open_node: Opens a device node.
        url: The source, for errors.
        wanted: See there.

    Attributes:
        asked: What of `Wanted.asked` it was started with.
        path: The device node.
        given: What the driver gave, as `Source.given`.
        sizes: What the format can be had in.
        controls: The device's controls.
        preset: What was set of `Wanted.preset`, by the driver's names.
        limited: Whether raw frames are of limited range.
    """

    def __init__(self, open_node: OpenNode, url: str, wanted: Wanted) -> None:
        self._open_node = open_node
        self._url = url
        self._wanted = wanted
        self._node: Node | None = None
        self._device: Device | None = None
        self._queue: Queue | None = None
        self._shapes: Shapes | None = None
        self._arrays: list[list[Array]] = []
        self._views: list[Any] = []
        self._needed: list[int] = []
        self._doing = "open it"
        self.asked = wanted.asked
        self.path = ""
        self.given: dict[str, object] = {}
        self.sizes = Sizes()
        self.controls = Controls()
        self.preset: dict[str, Value] = {}
        self.limited = False

    def start(self, paths: Sequence[str]) -> None:
        """Open the first of these nodes that is a camera, and have it stream.

        Raises:
            SourceError: If there is none, or it can't be had; `stop()` has to follow all the same.
        """
        try:
            device = self._open(paths)
            layout = self._set_up(device)
            self._doing = "set its controls"
            self._set_controls(device)
            self._doing = "start the stream"
            queue = self._queue = Queue(device, self._url)
            queue.start()
            self._map(queue, layout)
        except OSError as error:
            raise translated(error, self._url, self._doing) from error

    def stop(self) -> None:
        """Take it all down, each step whatever the one before did."""
        self._views.clear()
        self._arrays.clear()
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.stop()
        node, self._node, self._device = self._node, None, None
        if node is not None:
            with suppress(OSError):
                node.close()

    @property
    def fd(self) -> int:
        """The descriptor to wait on."""
        assert self._node is not None, "the stream has not been started"
        return self._node.fd

    @property
    def buffers(self) -> int:
        """How many buffers there are."""
        return len(self._arrays)

    def source_changed(self) -> bool:
        """Take all events that wait; return whether the signal has changed."""
        return self._device is not None and self._device.source_changed()

    def take(self) -> Filled | None:
        """Return the next filled buffer, if there is one; see `Queue.take`."""
        return None if self._queue is None else self._queue.take()

    def give_back(self, filled: Filled) -> None:
        """Let the driver have a buffer again; see `Queue.give_back`."""
        if self._queue is not None:
            self._queue.give_back(filled.number)

    def fault(self, filled: Filled) -> str:
        """Return what is wrong with a buffer; "" if nothing is."""
        if filled.flags & abi.BUF_FLAG_ERROR:
            return "the driver marked this frame as broken"
        for used, needed in zip(filled.used_bytes, self._needed, strict=False):
            if used < needed:
                return f"short frame: {used} of {needed} bytes"
        if any(filled.offsets):
            for offset, needed, array in zip(filled.offsets, self._needed, self._arrays[filled.number], strict=False):
                if offset + needed > array.size:
                    return f"frame of {needed} bytes from byte {offset} on in a buffer of {array.size}"
        return ""

    def copy(self, filled: Filled) -> bytes:
        """Return the bytes of a JPEG."""
        assert self._queue is not None, "the stream has been stopped"
        memory = self._queue.memories[filled.number][0]
        begin = filled.offsets[0]
        return memory[begin : begin + filled.used_bytes[0]]

    def view(self, filled: Filled) -> Any:
        """Return the data of a raw frame: views of the buffer, good until it is given back."""
        assert self._shapes is not None, "the stream has not been started"
        if any(filled.offsets):
            return self._shapes.view(self._arrays[filled.number], filled.offsets)
        return self._views[filled.number]

    def set_controls(self, values: dict[str, Value]) -> None:
        """Set checked values, all or none, and look at all controls again: one may rule others.

        Raises:
            ConfigError: If the driver refuses one.
            SourceError: If the device is gone.
        """
        if self._device is None:
            return
        try:
            self.controls.apply(self._device, values)
            self.controls = Controls.of(self._device)
        except OSError as error:
            raise translated(error, self._url, "set its controls") from error

    def _open(self, paths: Sequence[str]) -> Device:
        fault: SourceError | None = None
        for path in paths:
            self._node = self._open_node(path)
            device = Device(self._node)
            if device.captures and (len(paths) == 1 or usable(device)):
                self.path, self._device = path, device
                return device
            what = "gives no pictures to capture (it is an output, a codec, or for metadata)"
            fault = fault or SourceUnsupported(f"{self._url}: {path} {what}; try `manyeyes sources`", self._url)
            node, self._node = self._node, None
            node.close()
        assert fault is not None, "there is at least one path"
        raise fault

    def _set_up(self, device: Device) -> Layout:
        self._doing = "set its format"
        wanted, asked = self._wanted, self._wanted.asked
        if wanted.input is not None and wanted.input != device.input():
            device.set_input(wanted.input)
        signal_fps = self._follow_signal(device)
        if signal_fps is not None:
            # The signal has the size; a device that can scale takes another one.
            present = device.layout()
            size = asked.size or (present.width, present.height)
            mode = choose(device, Asked(asked.format, size, asked.fps), self._url)._replace(
                width=size[0], height=size[1]
            )
        else:
            mode = choose(device, asked, self._url)
        layout = device.set_format(mode.fourcc, mode.width, mode.height)
        shapes = self._shapes = Shapes(layout, self._url)
        self.limited = shapes.limited if wanted.limited is None else wanted.limited
        if not signal_fps or asked.fps is not None:
            signal_fps = self._set_rate(device, mode, layout) or signal_fps
        self.sizes = device.sizes(layout.fourcc)
        self.given = {
            "format": shapes.format, "width": layout.width, "height": layout.height, "fps": signal_fps or None,
        }  # fmt: skip
        return layout

    def _follow_signal(self, device: Device) -> float | None:
        """Take on the signal of an HDMI input; return its rate (0.0: not known), None where there is no such input."""
        number = device.input()
        present = next((one for one in device.inputs() if one.index == number), None)
        if present is None or not present.capabilities & abi.IN_CAP_DV_TIMINGS:
            return None
        device.subscribe_source_change(number)
        try:
            return device.follow_timings() or 0.0
        except OSError as error:
            if error.errno in _NO_SIGNAL:
                raise SourceNoSignal(f"{self._url}: {_NO_SIGNAL[error.errno]}", self._url) from error
            if error.errno in (errno.ENOTTY, errno.ENODATA):  # it can't tell: it has what somebody set
                return 0.0
            raise

    def _set_rate(self, device: Device, mode: Mode, layout: Layout) -> float | None:
        if (layout.fourcc, layout.width, layout.height) != (mode.fourcc, mode.width, mode.height):
            mode = Mode(layout.fourcc, layout.width, layout.height, device.rates(layout.fourcc, layout.width, layout.height))  # fmt: skip
        rate = mode.rate(self._wanted.asked.fps)
        if rate is not None:
            device.set_rate(rate)
        return device.rate()

    def _set_controls(self, device: Device) -> None:
        self.controls = Controls.of(device)
        wanted = self._wanted
        if wanted.preset:
            try:
                values = self.controls.checked(self.controls.parsed(wanted.preset))
                self.controls.apply(device, values)
                self.preset = values
            except ConfigError as error:
                raise SourceUnsupported(f"{self._url}: {error}", self._url) from error
        self.controls.restore(device, wanted.controls)
        if wanted.preset or wanted.controls:
            self.controls = Controls.of(device)

    def _map(self, queue: Queue, layout: Layout) -> None:
        shapes = self._shapes
        assert shapes is not None, "set up before"
        count = len(queue.memories[0])
        self._needed = [shapes.needed_bytes(memory) for memory in range(count)]
        self._arrays = [[np.frombuffer(plane, np.uint8) for plane in memory] for memory in queue.memories]
        if KINDS[layout.fourcc] is not KINDS["MJPG"]:
            try:
                self._views = [shapes.view(arrays, [0] * count) for arrays in self._arrays]
            except (TypeError, ValueError) as error:  # numpy: the buffer is too small
                raise SourceUnsupported(
                    f"{self._url}: the driver's buffers are smaller than its pictures: {error}", self._url
                ) from error
