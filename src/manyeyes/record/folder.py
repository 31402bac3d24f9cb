"""A folder of single JPEGs, named by their time of capture; each is there whole or not at all."""

import os
import time

from ..core.frame import Frame


class FolderWriter:
    """Writes into one folder, beside what is there.

    Args:
        path: Made if it is not there.

    Raises:
        OSError: If it cannot be made.
    """

    how = ""

    def __init__(self, path: str) -> None:
        self.bytes = 0
        self._path = path
        os.makedirs(path, exist_ok=True)

    def add(self, frame: Frame, time_us: int) -> None:
        """Write a file; see `Writer`."""
        seconds, micros = divmod(frame.wall_us, 1000000)
        # UTC, so that the names stay in order when the clocks are changed; no colons, which Windows can't have.
        name = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime(seconds)) + f".{micros // 1000:03d}Z"
        path = os.path.join(self._path, name + ".jpg")
        count = 1
        while os.path.exists(path):
            count += 1
            path = os.path.join(self._path, f"{name}-{count}.jpg")
        beside = path + ".part"
        try:
            with open(beside, "wb") as file:
                file.write(frame.data)
            os.replace(beside, path)
        except OSError:
            if os.path.exists(beside):
                os.unlink(beside)
            raise
        self.bytes += len(frame.data)

    def close(self) -> None:
        """Nothing is left to do."""
