from manyeyes.record.show import as_line, as_summary


def test_the_line():
    assert as_line(0, 0, 0, 0) == "0.0 s, 0 frames, - fps, 0 bytes, 0 dropped"
    assert as_line(2_000_000, 61, 5_000_000, 3) == "2.0 s, 61 frames, 30 fps, 5 MB, 3 dropped"


def test_the_bar():
    assert as_line(2_500_000, 2, 0, 0, for_s=10).startswith("[#####...............] 25%  2.5 s")
    assert as_line(99_000_000, 2, 0, 0, for_s=10).startswith("[####################] 100%  ")


def test_the_summary():
    assert as_summary("a.mkv", "", 1_000_000, 11, 2000, 0, 0) == "a.mkv: 1.0 s, 11 frames, 10 fps, 2 KB, 0 dropped"
    assert (
        as_summary("a.mp4", "H.264", 0, 1, 2000, 0, 2)
        == "a.mp4: 0.0 s, 1 frames, - fps, 2 KB, 0 dropped, 2 broken; H.264"
    )
