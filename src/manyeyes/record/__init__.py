"""Recording: the frames of a hub into a file or a folder.

`recorder.py` takes frames from the hub and has a thread write them; `matroska.py` (JPEGs as they are), `mp4.py` (H.264)
and `folder.py` (single JPEGs) are the forms. Each keeps what it has written playable at any moment: after a kill, after
a full disk.
"""

import os
from collections.abc import Callable
from typing import Protocol

from ..core.errors import ConfigError
from ..core.frame import Frame

EXPECTED = "NAME.mkv (JPEGs as they are), NAME.mp4 (H.264) or FOLDER/ (single JPEGs)"


class Writer(Protocol):
    """What a recording is written by. All of it blocks, and runs in one thread.

    Attributes:
        how: What it writes, in words; "" where there is nothing to say.
    """

    how: str

    @property
    def bytes(self) -> int:
        """Written so far."""

    def add(self, frame: Frame, time_us: int) -> None:
        """Write a frame.

        Args:
            frame: A JPEG.
            time_us: When it is to be shown, from the first one on; later than the one before.

        Raises:
            OSError: If it cannot be written; what was written before is whole.
            FrameError: If this one frame cannot be.
        """

    def close(self) -> None:
        """Complete the file; an OSError leaves it playable all the same."""


def writer_for(output: str, overwrite: bool = False) -> Callable[[], Writer]:
    """Return what opens the writer of an output; nothing is touched yet.

    Raises:
        ConfigError: If it can be none, is there already, or needs what is not installed.
    """
    kind = os.path.splitext(output)[1].lower()
    if output.endswith(os.sep) or os.path.isdir(output):
        from .folder import FolderWriter

        return lambda: FolderWriter(output)
    if kind not in (".mkv", ".mp4"):
        raise ConfigError(f"--output {output}: expected {EXPECTED}", "output", output, EXPECTED)
    if os.path.lexists(output) and not overwrite:
        words = "is there already: give another name, or --overwrite"
        raise ConfigError(f"--output {output}: {words}", "output", output, "a name that is free")
    folder = os.path.dirname(output) or "."
    if not os.path.isdir(folder):
        words = f"there is no folder {folder}: make it, or give another name"
        raise ConfigError(f"--output {output}: {words}", "output", output, "a folder that is there")
    if kind == ".mkv":
        from .matroska import MatroskaWriter

        return lambda: MatroskaWriter(output)
    try:
        from .mp4 import Mp4Writer
    except ModuleNotFoundError as error:
        message = f"MP4 needs the Python package {error.name!r}, not installed; try: pip install 'manyeyes[video]', or NAME.mkv"
        raise ConfigError(message, "output", output, EXPECTED) from error
    return lambda: Mp4Writer(output)
