import asyncio
import threading

import numpy as np
import pytest

from manyeyes.core.errors import BadFrame, ConfigError, EncodeError
from manyeyes.core.frame import GREY, Frame
from manyeyes.encoders import HostEncoder
from tests.sources.samples import jpeg


def raw():
    return Frame(np.random.default_rng(0).integers(0, 255, (48, 64), dtype=np.uint8), GREY, 64, 48)


def test_each_frame_is_treated_by_its_format():
    async def main():
        encoder = HostEncoder()
        data = jpeg()
        assert (await encoder.encode(Frame(data))).data is data
        assert threading.active_count() == 1  # nothing was encoded: no thread
        encoded = await encoder.encode(raw())
        assert (encoded.width, encoded.checked) == (64, True)
        assert encoded.encode_end_us >= encoded.encode_begin_us > 0
        assert (await encoder.encode(encoded)) is encoded
        encoder.close()

    asyncio.run(main())


def test_quality_is_passed_on():
    async def main():
        encoder = HostEncoder(90)
        assert encoder.quality == 90
        high = await encoder.encode(raw())
        encoder.quality = 10
        assert len((await encoder.encode(raw())).data) < len(high.data)
        encoder.close()

    asyncio.run(main())


def test_bad_frames_are_refused():
    encoder = HostEncoder()
    with pytest.raises(BadFrame):
        asyncio.run(encoder.encode(Frame(b"no")))
    with pytest.raises(EncodeError):
        asyncio.run(encoder.encode(Frame(b"no", "H264", 8, 8)))
    with pytest.raises(ConfigError):
        HostEncoder(0)
