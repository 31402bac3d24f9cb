"""What a picture's values come to."""

import numpy as np
import pytest

from manyeyes.emulation.statistics import Channel, Histogram, Statistics, channels_of, lab


def test_known_colours_in_lab():
    colours = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]]], np.uint8)
    assert lab(colours)[0].tolist() == [[100, 0, 0], [0, 0, 0], [53, 80, 67], [32, 79, -108]]


def test_measures_of_gray():
    values = np.array([[0, 0, 10, 20], [10, 10, 30, 200]], np.uint8)
    statistics = Statistics(channels_of(values, {}))
    assert (statistics.mean(), statistics.min(), statistics.max(), statistics.mode()) == (35, 0, 200, 10)
    assert (statistics.median(), statistics.lq(), statistics.uq()) == (10, 0, 20)
    assert statistics.stdev() == round(float(values.std()))
    assert (statistics[0], len(statistics)) == (35, 8)
    assert not hasattr(statistics, "l_mean")
    assert "'mean': 35" in repr(statistics)


def test_measures_of_colour_have_letters():
    statistics = Statistics(channels_of(np.full((4, 4, 3), 255, np.uint8), {}))
    assert (statistics.mean(), statistics.l_mean(), statistics.a_mean(), statistics.b_max()) == (100, 100, 0, 0)
    assert len(statistics) == 8 * 4


def test_histograms():
    values = np.repeat(np.array([10, 200], np.uint8), 50).reshape(10, 10)
    histogram = Histogram(channels_of(values, {}))
    assert len(histogram.bins()) == 256
    assert sum(histogram.bins()) == pytest.approx(1)
    assert histogram.bins()[10] == 0.5
    assert 10 <= histogram.get_threshold().value() < 200
    assert histogram.get_percentile(0.9).value() == 200
    assert histogram.get_statistics().mean() == 105
    coloured = Histogram(channels_of(np.zeros((2, 2, 3), np.uint8), {"bins": 4, "a_bins": 7}))
    assert (len(coloured.l_bins()), len(coloured.a_bins()), coloured.get_percentile(0.5).l_value()) == (4, 7, 0)
    assert coloured.get_threshold().a_value() == pytest.approx(0, abs=128)


def test_few_bins_stand_for_their_places():
    channel = Channel(np.array([0, 255]), (0, 255), 2)
    assert [channel.value(0), channel.value(1)] == [0, 255]
