"""Gathered: the metrics of several processes as one, for `--workers`.

What happens to frames before they are sent is told by the process that captures, and by that alone; what is delivered,
by each worker. Everything has the process's name in the label `process`, and nothing is added up here: a sum that lacks
a worker which was started again, or does not answer, would look like a counter that began anew, and its return like a
burst.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

CAPTURE = "capture"
_OF_CAPTURE = ("manyeyes_build", "manyeyes_camera_", "manyeyes_capture_", "manyeyes_encode_", "manyeyes_published_")


def merged(texts: dict[str, bytes], accept: str = "") -> tuple[bytes, str]:
    """Return the metrics of all processes in the format that a scraper accepts, and its Content-Type.

    Args:
        texts: What `Metrics.text()` gave in each process, by the process's name; CAPTURE is the one that captures.
        accept: The scraper's Accept header.
    """
    registry = CollectorRegistry()
    registry.register(_Merged(texts))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Merged(Collector):
    def __init__(self, texts: dict[str, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for process, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                of_all = family.name.startswith("process_")
                if not of_all and family.name.startswith(_OF_CAPTURE) != (process == CAPTURE):
                    continue
                one = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    one.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
        yield from families.values()
