"""Numbers for Prometheus: counted from events, and read from the parts at each scrape.

Invariant: no caption, no text and no address is among them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from device import __version__
from device.events import (
    Alerted,
    Answered,
    Decided,
    DecisionReason,
    Event,
    Part,
    ProblemChanged,
    Requested,
    SpeechOutcome,
    Spoke,
)
from device.records import Caption, Cause, Priority, Thing, ThingSource

# From a single encoder run on a fast machine to a first caption on a hot Pi Zero.
_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_MILLISECONDS = 1000
_PREFIX = "seealoud_"
_SPOKEN = (
    DecisionReason.FIRST,
    DecisionReason.CHANGED,
    DecisionReason.HEARTBEAT,
    DecisionReason.ALERT,
)


@dataclass(frozen=True, slots=True)
class Readings:
    """What is read from the parts at each scrape; the callables may be called by any thread.

    Attributes:
        frames: frames that the camera took since the start.
        drops: those that were not looked at.
        frame_age_s: age of the newest frame in seconds; None without one.
        bundle: name of the bundle in use.
        queue_lengths: how many wait, by the name of the queue.
        restarts: how often a part was restarted since the start, by its name.
        dropped_messages: messages that the outbox dropped.
    """

    frames: Callable[[], int] = lambda: 0
    drops: Callable[[], int] = lambda: 0
    frame_age_s: Callable[[], float | None] = lambda: None
    bundle: Callable[[], str] = lambda: ""
    queue_lengths: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    restarts: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    dropped_messages: Callable[[], int] = lambda: 0


class MetricsListener:
    """A ``device.events.Listener`` that counts; each one has its own registry.

    Attributes:
        registry: what ``device.health.metrics_server`` serves.
    """

    def __init__(self, readings: Readings = Readings()) -> None:
        self.registry = CollectorRegistry()
        self._lock = threading.Lock()
        self._last_caption: Caption | None = None
        self._last_things: tuple[Thing, ...] = ()
        self._requests = self._counter("requests", "Requests.", "action", "cause", "is_accepted")
        self._captions = self._counter("captions", "Captions, by what asked for them.", "cause")
        self._things = self._counter(
            "things", "Things named beside captions or instead of them, by the model.", "source"
        )
        self._faults = self._counter(
            "answers_without_caption", "Answers that had no caption, by why.", "reason"
        )
        self._decisions = self._counter(
            "decisions", "Frames that narration looked at, by its reason.", "reason", "is_spoken"
        )
        self._alerts = self._counter("alerts", "Alerts, by the keyword rule.", "rule")
        self._utterances = self._counter(
            "utterances", "Utterances; cut means by a newer one.", "priority", "outcome"
        )
        self._stage_s = self._histogram(
            "stage_seconds", "Time of the stages of a caption.", "stage"
        )
        self._first_sample_s = self._histogram(
            "first_sample_seconds", "From press or decision to the first sample.", "priority"
        )
        self._problems = Gauge(
            f"{_PREFIX}problem", "1 while a part does not work.", ["part"], registry=self.registry
        )
        self._begin_at_zero()
        self.registry.register(_ReadingsCollector(readings))
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}{name}", help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, label: str) -> Histogram:
        return Histogram(
            f"{_PREFIX}{name}", help_text, [label], buckets=_BUCKETS_S, registry=self.registry
        )

    def accept(self, event: Event) -> None:
        """Count an event."""
        match event:
            case Requested(action=action, cause=cause, is_accepted=is_accepted):
                self._requests.labels(action, cause.value, _yes_no(is_accepted)).inc()
            case Answered(cause=cause, caption=caption, reason=reason, things=things):
                self._caption(caption, cause)
                self._name_things(things)
                if caption is None:
                    self._faults.labels(reason or "unknown").inc()
            case Decided(reason=reason, is_spoken=is_spoken, caption=caption, things=things):
                self._caption(caption, Cause.NARRATION)
                self._name_things(things)
                self._decisions.labels(reason.value, _yes_no(is_spoken)).inc()
            case Alerted(rule=rule):
                self._alerts.labels(rule).inc()
            case Spoke():
                self._spoke(event)
            case ProblemChanged(part=part, is_problem=is_problem):
                self._problems.labels(part.value).set(is_problem)

    def _spoke(self, event: Spoke) -> None:
        priority = _name(event.utterance.priority)
        self._utterances.labels(priority, event.outcome.value).inc()
        if event.first_sample_s is not None:
            self._first_sample_s.labels(priority).observe(event.first_sample_s)

    def _caption(self, caption: Caption | None, cause: Cause) -> None:
        if caption is None:
            return
        self._captions.labels(cause.value).inc()
        with self._lock:
            # One look may answer several questions: its time counts once.
            is_new, self._last_caption = caption is not self._last_caption, caption
        if is_new:
            timings = caption.timings
            for stage, time_ms in (
                ("preprocess", timings.preprocess_ms),
                ("encoder", timings.encoder_ms),
                ("decoder", timings.decoder_ms),
            ):
                self._stage_s.labels(stage).observe(time_ms / _MILLISECONDS)

    def _name_things(self, things: tuple[Thing, ...]) -> None:
        with self._lock:
            # As with captions: one look may answer several questions.
            is_new, self._last_things = things is not self._last_things, things
        if is_new:
            for thing in things:
                self._things.labels(thing.source.value).inc()

    def _begin_at_zero(self) -> None:
        """Create all series with 0: Prometheus sees no increase from no series to 1."""
        for part in Part:
            self._problems.labels(part.value)
        for reason in DecisionReason:
            is_spoken = reason in _SPOKEN
            self._decisions.labels(reason.value, _yes_no(is_spoken))
        for cause in Cause:
            self._captions.labels(cause.value)
        for source in ThingSource:
            self._things.labels(source.value)
        for priority in Priority:
            for outcome in SpeechOutcome:
                self._utterances.labels(_name(priority), outcome.value)


class _ReadingsCollector(Collector):
    """Reads the parts at each scrape."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        """Yield the present values."""
        readings = self._readings
        yield _count("frames", "Frames that the camera took.", readings.frames())
        yield _count("frames_dropped", "Frames that were not looked at.", readings.drops())
        yield _count(
            "messages_dropped", "Messages that the outbox dropped.", readings.dropped_messages()
        )
        age = _gauge("frame_age_seconds", "Age of the newest frame.")
        if (age_s := readings.frame_age_s()) is not None:
            age.add_metric([], age_s)
        yield age
        queues = _gauge("queue_length", "How many items wait.", "queue")
        for name, length in readings.queue_lengths.items():
            queues.add_metric([name], length())
        yield queues
        restarts = CounterMetricFamily(
            f"{_PREFIX}restarts", "How often a part was restarted.", labels=["part"]
        )
        for name, count in readings.restarts.items():
            restarts.add_metric([name], count())
        yield restarts
        build = _gauge("build_info", "Version and bundle in use; always 1.", "version", "bundle")
        build.add_metric([__version__, readings.bundle()], 1)
        yield build


def _count(name: str, help_text: str, value: int) -> CounterMetricFamily:
    return CounterMetricFamily(f"{_PREFIX}{name}", help_text, value)


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_PREFIX}{name}", help_text, labels=labels)


def _yes_no(claim: bool) -> str:
    return str(claim).lower()


def _name(priority: Priority) -> str:
    return priority.name.lower()
