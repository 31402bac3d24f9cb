"""What every `csi` module has to keep: the emulated one of `manyeyes run`, and the fake one on MicroPython.

A suite of unittest's, without a line that only one of the runtimes knows: the class that runs it gives it `csi`, the
module, whose sensor delivers frames of 320 x 240.
"""

UNSET_PIXFORMAT = "Pixel format is not supported or is not set."
UNSET_FRAMESIZE = "Frame size is not supported or is not set."
CALLS = 100000  # a generous bound, never a measure


class CsiContract:
    csi = None

    def camera(self):
        camera = self.csi.CSI()
        camera.reset()
        camera.pixformat(self.csi.RGB565)
        camera.framesize(self.csi.QVGA)
        return camera

    def refuses(self, expected, text, function, *args, **kwargs):
        with self.assertRaises(expected) as caught:  # noqa: PT027  # pytest does not run on MicroPython
            function(*args, **kwargs)
        if text is not None:
            assert str(caught.exception) == text

    def test_arguments_are_keywords(self):
        self.refuses(TypeError, None, self.csi.CSI, 1)
        camera = self.camera()
        self.refuses(TypeError, None, camera.snapshot, False)
        self.refuses(TypeError, None, camera.snapshot, update=False)  # was there until firmware 4.8
        self.refuses(TypeError, None, camera.reset, True)
        self.refuses(TypeError, None, camera.snapshot().compress, 85)

    def test_nothing_is_set_at_first_and_after_a_reset(self):
        camera = self.csi.CSI()
        self.refuses(RuntimeError, UNSET_PIXFORMAT, camera.snapshot)
        self.refuses(RuntimeError, UNSET_PIXFORMAT, camera.pixformat)
        self.refuses(RuntimeError, UNSET_FRAMESIZE, camera.framesize)
        camera.pixformat(self.csi.GRAYSCALE)
        self.refuses(RuntimeError, UNSET_FRAMESIZE, camera.snapshot, blocking=False)
        camera.framesize(self.csi.QVGA)
        camera.reset()
        self.refuses(RuntimeError, UNSET_PIXFORMAT, camera.snapshot, blocking=False)

    def test_what_is_set_is_returned(self):
        camera = self.camera()
        assert camera.pixformat() == self.csi.RGB565
        camera.framesize()  # raises nothing any more
        assert (camera.width(), camera.height()) == (320, 240)
        self.refuses(RuntimeError, UNSET_FRAMESIZE, camera.framesize, 12345)

    def test_a_frame_has_its_size(self):
        image = self.camera().snapshot()
        assert (image.width(), image.height()) == (320, 240)

    def test_no_frame_yet_is_none(self):
        camera = self.camera()
        answers = set()
        for _ in range(CALLS):
            answers.add(camera.snapshot(blocking=False) is None)
            if len(answers) == 2:
                return
        self.fail("it never returned both an image and None")

    def test_a_jpeg_is_one(self):
        image = self.camera().snapshot().compress(quality=85)
        jpeg = bytes(image.bytearray())
        assert jpeg[:2] == b"\xff\xd8"
        assert jpeg[-2:] == b"\xff\xd9"
        assert (image.width(), image.height()) == (320, 240)

    def test_the_range_of_quality(self):
        image = self.camera().snapshot()
        for quality in (0, 101, -1):
            self.refuses(ValueError, "Quality ranges between 0 and 100", image.compress, quality=quality)
        image.compress(quality=1)

    def test_bytearray_is_the_memory_itself(self):
        image = self.camera().snapshot().compress(quality=50)
        one, other = image.bytearray(), image.bytearray()
        one[2] ^= 0xFF
        assert bytes(one) == bytes(other)

    def test_the_next_call_overwrites_the_frame_before(self):
        camera = self.camera()
        view = camera.snapshot().compress(quality=50).bytearray()
        before = bytes(view)
        camera.snapshot(blocking=False)
        assert bytes(view)[:16] != before[:16]
