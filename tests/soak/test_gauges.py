from .chart import svg
from .gauges import MEGABYTE, Sample, growth, summary, verdicts


def samples(memory: list[int], descriptors: int = 40) -> list[Sample]:
    return [Sample(float(at), value, descriptors, 5, 10, 60.0) for at, value in enumerate(memory)]


def test_a_level_with_noise_is_flat() -> None:
    assert verdicts(samples([60 * MEGABYTE + (at * 7919) % (2 * MEGABYTE) for at in range(100)])) == []


def test_warming_up_is_not_growth() -> None:
    assert verdicts(samples([30 * MEGABYTE] * 15 + [60 * MEGABYTE] * 85)) == []


def test_a_slow_leak_is_told() -> None:
    leaking = samples([60 * MEGABYTE + at * 200000 for at in range(100)])
    assert verdicts(leaking) == ["memory_bytes grew from 65.9 to 77.9"]


def test_growth_compares_the_second_fifth_with_the_last() -> None:
    assert growth([9.0, 1.0, 5.0, 5.0, 3.0]) == (1.0, 3.0)


def test_the_chart_has_a_strip_for_each_gauge() -> None:
    text = svg(samples([MEGABYTE, 2 * MEGABYTE]), "two looks")
    assert text.count("<polyline") == 6
    assert "two looks" in text


def test_the_summary_has_every_gauge() -> None:
    found = summary(samples([1, 2, 3, 9, 4]))
    assert found["memory_bytes"] == {"early": 2.0, "late": 4.0, "highest": 9.0}
    assert list(found) == ["memory_bytes", "descriptors", "threads", "viewers", "age_ms", "late_ms"]
