"""Samples to Prometheus text. The only place that knows the client library.

The library's own metric objects are not used: what is counted are plain integers, and families are made of them when
somebody scrapes. Process metrics (memory, open files, garbage collection) are the library's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from taskgate.histogram import Histogram
from taskgate.telemetry.catalogue import METRICS

Value = float | Histogram
Sample = tuple[str, Sequence[str], Value]


class Exposition:
    """Writes samples in the form that a scraper accepts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._samples = _Samples()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(self._samples)

    def text(self, samples: Iterable[Sample], accept: str) -> tuple[bytes, bytes]:
        """The page and its media type."""
        self._samples.now = samples
        try:
            encode, media = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is none: the form that everybody reads
            encode, media = choose_encoder("")
        try:
            return encode(self._registry), media.encode("ascii")
        finally:
            self._samples.now = ()


class _Samples(Collector):
    """What is scraped now; nothing between scrapes."""

    def __init__(self) -> None:
        self.now: Iterable[Sample] = ()

    def describe(self) -> Iterable[Family]:
        return ()

    def collect(self) -> Iterator[Family]:
        families: dict[str, Family] = {}
        for name, labels, value in self.now:
            family = families.get(name)
            if family is None:
                family = families[name] = _family(name)
            if isinstance(family, HistogramMetricFamily):
                assert isinstance(value, Histogram)
                family.add_metric(labels, buckets=_buckets(value), sum_value=value.total_s)
            elif isinstance(family, CounterMetricFamily | GaugeMetricFamily):
                assert not isinstance(value, Histogram)
                family.add_metric(labels, float(value))
        yield from families.values()


def _family(name: str) -> Family:
    metric = METRICS[name]
    if metric.kind == "counter":
        return CounterMetricFamily(name, metric.help, labels=metric.labels)
    if metric.kind == "gauge":
        return GaugeMetricFamily(name, metric.help, labels=metric.labels)
    return HistogramMetricFamily(name, metric.help, labels=metric.labels)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*map(str, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        total += count
        found.append((bound, total))
    return found
