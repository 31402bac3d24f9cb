import numpy as np
import pytest

from manyeyes.sources._pattern_art import STRIP_TOP, UNITS, Canvas

WALL_US = 1_795_397_011_756_000
NOTHING = np.zeros((3, 32), np.uint8)
SIZES = [(128, 96), (160, 120), (128, 4096), (4096, 96), (320, 240), (722, 406), (1280, 720)]


def draw(canvas, counter=1, wall_us=WALL_US, phase_us=0, bits=NOTHING):
    canvas.draw(counter, wall_us, phase_us, "1280x720 30 FPS", bits)
    return canvas.data.copy()


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_at_any_time_depends_on_that_time_only(size):
    # Only what moved is drawn anew: what was there before must not shine through.
    canvas = Canvas(*size, "title")
    for index in range(40):
        draw(canvas, index * 997, WALL_US + index * 123_456_789, index * 77_777)
    fresh = Canvas(*size, "title")
    assert np.array_equal(draw(canvas, 7, WALL_US, 1_500_000), draw(fresh, 7, WALL_US, 1_500_000))


@pytest.mark.parametrize("size", SIZES)
def test_the_strip_is_where_it_is_said_to_be(size):
    width, height = size
    bits = np.random.default_rng(1).integers(0, 2, (3, 32), dtype=np.uint8)
    data = draw(Canvas(*size, "title"), bits=bits)
    for row in range(3):
        for column in range(32):
            y = (STRIP_TOP + row + 0.5) * height / UNITS
            x = (column + 0.5) * width / 32
            assert data[int(y), int(x)] == 255 * bits[row, column]
    chroma = data.reshape(-1)[width * height :].reshape(2, height // 2, width // 2)
    assert (chroma[:, -(-STRIP_TOP * height // UNITS // 2) :] == 128).all()


def test_the_title_is_cut_at_a_word_and_nothing_else_changes_with_it():
    one, two = draw(Canvas(128, 96, "entrance hall of the old station")), draw(Canvas(128, 96, "entrance hall of the"))
    assert np.array_equal(one, two)
    other = draw(Canvas(128, 96, "garage"))
    rows = np.flatnonzero((one != other)[:96].any(axis=1))
    assert rows.max() < 96 * 2.2 / 24 + 1


def test_the_ball_is_seen_and_comes_back():
    canvas = Canvas(640, 480, "title")
    start = draw(canvas, phase_us=0)
    assert not np.array_equal(draw(canvas, phase_us=100_000), start)
    assert np.array_equal(draw(canvas, phase_us=4_000_000), start)


def test_the_milliseconds_are_drawn_in_every_frame():
    canvas = Canvas(320, 240, "title")
    drawn = {draw(canvas, wall_us=WALL_US + index * 1000).tobytes() for index in range(100)}
    assert len(drawn) == 100


def test_the_clock_shows_local_time_with_its_offset(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        canvas = Canvas(640, 480, "title")
        draw(canvas, wall_us=0)
        assert (canvas._day_time, canvas._date) == ("05:30:00", "1970-01-01 UTC+05:30")
    finally:
        monkeypatch.undo()
        time.tzset()
