"""Statistics: what `get_statistics()` and `get_histogram()` of an image return.

Gray pictures are judged by their values, 0 to 255; colour ones in CIE L*a*b*, as the firmware does: L from 0 to 100,
a and b from -128 to 127. Results are whole numbers, as there.
"""

import numpy as np
import numpy.typing as npt

from .pixels import Array

GREY_RANGE = (0, 255)
LAB_RANGES = ((0, 100), (-128, 127), (-128, 127))
_MEASURES = ("mean", "median", "mode", "stdev", "min", "max", "lq", "uq")
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65
# sRGB to CIE XYZ, IEC 61966-2-1
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(image: Array) -> Array:
    """Return (..., 3) uint8 RGB as whole L*a*b* numbers."""
    value = np.arange(256) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)[image]
    ratio = linear @ _TO_XYZ.T / _WHITE
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), ratio * (24389 / 27 / 116) + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).round().astype(np.int16)


class Channel:
    """One channel's counts: its values, how often each occurs, and what follows from that."""

    def __init__(self, values: Array, limits: tuple[int, int], bins: int | None = None) -> None:
        low, high = limits
        count = high - low + 1 if not bins else max(2, min(bins, high - low + 1))
        counts, _ = np.histogram(values, count, (low - 0.5, high + 0.5))
        self.bins: list[float] = (counts / max(1, values.size)).tolist()
        self._edges = np.linspace(low, high, count)

    def value(self, index: int) -> int:
        """Return the value that a bin stands for."""
        return round(float(self._edges[index]))

    def percentile(self, fraction: float) -> int:
        """Return the value below which this part of the pixels lies."""
        reached = np.cumsum(self.bins) >= min(1.0, max(0.0, fraction)) - 1e-9
        return self.value(int(np.argmax(reached)))

    def threshold(self) -> int:
        """Return Otsu's threshold: the value that splits the pixels into the two groups that differ most."""
        weights = np.array(self.bins)
        below = np.cumsum(weights)
        sums = np.cumsum(weights * self._edges)
        total = sums[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            between = (total * below - sums) ** 2 / (below * (1 - below))
        return self.value(int(np.nanargmax(np.where(np.isfinite(between), between, 0))))

    def measures(self) -> dict[str, int]:
        """Return the mean and the others, by name."""
        weights: npt.NDArray[np.float64] = np.array(self.bins)
        mean = float((weights * self._edges).sum())
        present = np.flatnonzero(weights)
        return {
            "mean": round(mean),
            "median": self.percentile(0.5),
            "mode": self.value(int(weights.argmax())),
            "stdev": round(float((weights * (self._edges - mean) ** 2).sum()) ** 0.5),
            "min": self.value(int(present[0])) if present.size else 0,
            "max": self.value(int(present[-1])) if present.size else 0,
            "lq": self.percentile(0.25),
            "uq": self.percentile(0.75),
        }


class _Methods:
    """Results that a script reads by calling: `mean()`, and `l_mean()` and so on for colours."""

    def __init__(self, results: dict[str, object]) -> None:
        self._results = results
        for name, value in results.items():
            setattr(self, name, lambda value=value: value)

    def __getitem__(self, index: int) -> object:
        return list(self._results.values())[index]

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return repr(self._results)


class Statistics(_Methods):
    """What `get_statistics()` returns; the names without a letter are those of L in colour pictures."""

    def __init__(self, channels: list[Channel]) -> None:
        results: dict[str, object] = dict(channels[0].measures())
        if len(channels) == 3:
            for letter, channel in zip("lab", channels, strict=True):
                results.update({f"{letter}_{name}": value for name, value in channel.measures().items()})
        super().__init__(results)


class Values(_Methods):
    """A value, or one for each of L, a and b."""

    def __init__(self, values: list[int]) -> None:
        results: dict[str, object] = {"value": values[0]}
        if len(values) == 3:
            results.update({f"{letter}_value": value for letter, value in zip("lab", values, strict=True)})
        super().__init__(results)


class Histogram(_Methods):
    """What `get_histogram()` returns: each bin's share of the pixels."""

    def __init__(self, channels: list[Channel]) -> None:
        self._channels = channels
        results: dict[str, object] = {"bins": channels[0].bins}
        if len(channels) == 3:
            results.update({f"{letter}_bins": one.bins for letter, one in zip("lab", channels, strict=True)})
        super().__init__(results)

    def get_percentile(self, percentile: float) -> Values:
        """Return the values below which this part, 0 to 1, of the pixels lies."""
        return Values([channel.percentile(percentile) for channel in self._channels])

    def get_threshold(self) -> Values:
        """Return Otsu's thresholds."""
        return Values([channel.threshold() for channel in self._channels])

    def get_statistics(self) -> Statistics:
        """Return the mean and the others."""
        return Statistics(self._channels)

    get_stats = statistics = get_statistics


def channels_of(image: Array, bins: dict[str, int]) -> list[Channel]:
    """Return the channels of a picture, (height, width) or (height, width, 3)."""
    if image.ndim == 2:
        return [Channel(image, GREY_RANGE, bins.get("bins"))]
    values = lab(image)
    return [
        Channel(values[..., index], limits, bins.get(f"{letter}_bins", bins.get("bins")))
        for index, (letter, limits) in enumerate(zip("lab", LAB_RANGES, strict=True))
    ]
