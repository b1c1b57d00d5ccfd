"""Figures for Prometheus: requests by route and status, and where the writer stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from pointsbank.engine.registry import Writer

MEDIA_TYPE = "text/plain; version=0.0.4"

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "pointsbank_http_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "pointsbank_http_seconds",
            "Time to the answer",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._writer: _WriterFigures | None = None
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def watch(self, writer: Writer) -> None:
        """Show where a writer stands whenever somebody asks."""
        self._writer = _WriterFigures(writer)
        self.registry.register(self._writer)

    def forget(self) -> None:
        """The writer has stopped."""
        if self._writer is not None:
            self.registry.unregister(self._writer)
            self._writer = None

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. `route` is the path's template, so there are few of them."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            children = (self._requests.labels(method, route, str(status)), self._seconds.labels(route))
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def text(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self.registry)


class _WriterFigures:
    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def collect(self) -> Iterator[Any]:
        writer = self._writer
        yield GaugeMetricFamily("pointsbank_writer_queued", "Drafts that wait for their turn", writer.queued)
        yield GaugeMetricFamily(
            "pointsbank_writer_running", "1 while the writer takes drafts", int(writer.is_running)
        )
        yield CounterMetricFamily("pointsbank_writer_batches", "Commits", writer.batches)
        yield CounterMetricFamily(
            "pointsbank_writer_lost_races", "Commits that another process overtook", writer.lost_races
        )
