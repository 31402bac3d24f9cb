"""Chromium shows what a camera's script streams: under `manyeyes run`, and on MicroPython."""

import itertools

import pytest

from tests.emulation.micropython_cam import RunningOnMicroPython
from tests.emulation.running import SCRIPTS, Running


def watch(tab, url):
    tab.page.goto(url + "snapshot.jpg")
    tab.add(url + "stream.jpg")
    numbers = [tab.next("#picture0", 0)]
    for _ in range(5):
        numbers.append(tab.next("#picture0", numbers[-1]))
    assert all(one < other for one, other in itertools.pairwise(numbers))
    assert tab.page.evaluate("[picture0.naturalWidth, picture0.naturalHeight]") == [320, 240]
    assert not tab.crashed


def test_the_tutorials_script_as_it_is_published(new_tab):
    with Running(SCRIPTS / "seed.py") as script:
        watch(new_tab(), script.url())


@pytest.mark.micropython
def test_the_same_with_a_header_of_text_on_micropython(new_tab, tmp_path):
    with RunningOnMicroPython(tmp_path) as script:
        watch(new_tab(), script.url)
