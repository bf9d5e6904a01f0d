"""What NVIDIA's meters really do, on a machine that has one: under a known load, then idle.

How often the counter and the instant power are new, and what reading them costs; counter against integral; how far the
power's edges lie from the load's; the memory of one process against what it asked for. About 80 seconds, 40 with
``quick``. Where there is no NVIDIA GPU it says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, Self

from bakeoff.clock import now_ns
from bakeoff.errors import BakeoffError
from bakeoff.measurement.meters.base import Stretch, Target
from bakeoff.measurement.meters.gpu_readings import memory_of
from bakeoff.measurement.meters.machine import Surroundings
from bakeoff.measurement.meters.meter_set import MeterSet
from bakeoff.measurement.meters.nvidia_power import UPDATE_S, NvidiaPower, NvmlSource
from bakeoff.measurement.meters.power import INTEGRAL
from bakeoff.units import bytes_text
from bench.targets import Target as Aim
from bench.targets import number, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bakeoff.results.records import Reading

PAUSE_S = 3.0
SPANS_S = (1.5, 4.0, 4.0, 6.0)
APART, EDGE_S, UPDATE_SLACK = 0.05, 0.2, 1.25
CONTEXT_BYTES = 1 << 30
"""What a CUDA context may take on the GPU beside what was asked for."""


@dataclass(frozen=True)
class Updates:
    """How often a value was new while it was polled without a pause, in s; and what reading it took, in ms."""

    median_s: float | None
    longest_s: float | None
    call_median_ms: float
    call_longest_ms: float


@dataclass(frozen=True)
class Window:
    """One stretch of work: the energy by counter and by integral, the power, and where its edges were seen."""

    span_s: float
    counter_j: float | None
    integral_j: float | None
    mean_w: float | None
    rise_s: float | None
    fall_s: float | None

    @property
    def apart(self) -> float | None:
        """By how much the integral differs from the counter, as a share."""
        return None if not self.counter_j or self.integral_j is None else self.integral_j / self.counter_j - 1


@dataclass(frozen=True)
class Result:
    """All that was seen of one GPU."""

    gpu: str
    driver: str
    load: str
    has_counter: bool
    has_instant: bool
    counter: dict[str, Updates]
    power: dict[str, Updates]
    idle_w: float | None
    meters_share_of_a_core: float
    memory_told_bytes: int | None
    memory_asked_bytes: int
    windows: list[Window] = field(default_factory=list)

    def targets(self) -> list[Aim]:
        apart = [abs(window.apart) for window in self.windows if window.span_s >= 3 and window.apart is not None]
        edges = [abs(at) for window in self.windows for at in (window.rise_s, window.fall_s) if at is not None]
        updates = [told.median_s for told in self.counter.values() if told.median_s is not None]
        told = self.memory_told_bytes
        beside = (told - self.memory_asked_bytes) / CONTEXT_BYTES if told else None
        return [
            Aim("counter and integral, apart", "", max(apart, default=None), APART),
            Aim("edges of power off those of the load", "s", max(edges, default=None), EDGE_S),
            Aim("counter, from one update to the next", "s", max(updates, default=None), UPDATE_SLACK * UPDATE_S),
            Aim("meters' own share of a core", "", self.meters_share_of_a_core, 0.01),
            Aim("memory told beside that asked for", "GiB", beside, 1.0),
        ]  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        windows = [asdict(window) | {"apart": window.apart} for window in self.windows]
        return asdict(self) | {"windows": windows}

    def text(self) -> str:
        told = "hidden" if self.memory_told_bytes is None else bytes_text(self.memory_told_bytes)
        idle = "unknown" if self.idle_w is None else f"{number(self.idle_w)} W"
        return (
            f"Meters: {self.gpu}, driver {self.driver}; {self.load}; idle {idle}; memory told {told}, asked for "
            f"{bytes_text(self.memory_asked_bytes)}\n\n{json.dumps(self.as_dict(), indent=1)}"
        )


def run(quick: bool) -> Result:
    """See above. Raises BakeoffError without a GPU, or where the load cannot be made."""
    here = Surroundings()
    if not here.nvidia:
        raise BakeoffError("No NVIDIA GPU with its library (pip install 'bakeoff[nvidia]') is here: nothing to see.")
    nvml: Any = here.nvml
    gpu = here.nvidia[0]
    source = NvmlSource(nvml, gpu.handle)
    poll_s = 2.0 if quick else 4.0
    progress("meters · idle")
    counter, power = {"idle": updates(source.joules, poll_s)}, {"idle": updates(source.watts, poll_s)}
    with MeterSet.open([NvidiaPower(here)], Target(gpu="0")) as meters:
        idle_w = next((r.value for r in meters.idle(time.sleep) if r.quantity == "power_w"), None)
        with Load() as load, _Fine(source) as fine:
            told = memory_of(nvml, gpu.handle, [load.facts["pid"]])
            seen = [_measured(meters, load, span_s) for span_s in ([1.5, 3.0] if quick else SPANS_S)]
            time.sleep(PAUSE_S)
            share = meters.cost
            load.begin(2 * poll_s + 1)
            time.sleep(0.5)
            counter["load"], power["load"] = updates(source.joules, poll_s), updates(source.watts, poll_s)
    return Result(
        gpu=str(nvml.nvmlDeviceGetName(gpu.handle)),
        driver=str(nvml.nvmlSystemGetDriverVersion()),
        load=load.facts["what"],
        has_counter=source.joules() is not None,
        has_instant=source.instant,
        counter=counter,
        power=power,
        idle_w=idle_w,
        meters_share_of_a_core=share,
        memory_told_bytes=told,
        memory_asked_bytes=load.facts["held_bytes"],
        windows=[_window(span, readings, fine.points) for span, readings in seen],
    )


def _measured(meters: MeterSet, load: Load, span_s: float) -> tuple[tuple[int, int], tuple[Reading, ...]]:
    """One stretch of work, measured as a trial is: the meters begun before it and finished after it."""
    time.sleep(PAUSE_S)
    progress(f"meters · load of {span_s:g} s")
    meters.start()
    load.begin(span_s)
    span = load.ended()
    return span, meters.finish([Stretch("trial", *span)])


def updates(read: Callable[[], float | None], seconds: float) -> Updates:
    """Poll without a pause for so long."""
    changes: list[int] = []
    calls: list[float] = []
    last, end = read(), now_ns() + round(seconds * 1e9)
    while (before := now_ns()) < end:
        value = read()
        after = now_ns()
        calls.append((after - before) / 1e6)
        if value != last:
            changes.append(after)
            last = value
    gaps = [(b - a) / 1e9 for a, b in pairwise(changes)]
    return Updates(median(gaps) if gaps else None, max(gaps, default=None), median(calls), max(calls))


def edges(points: Sequence[tuple[int, float]], begin_ns: int, end_ns: int) -> tuple[float | None, float | None]:
    """By how much later than the load the power crossed the middle between idle and load, rising and falling, in s."""
    before = [watts for at, watts in points if begin_ns - 1e9 < at < begin_ns]
    during = [watts for at, watts in points if begin_ns + (end_ns - begin_ns) / 2 < at < end_ns]
    if not before or not during:
        return None, None
    middle = (median(before) + median(during)) / 2
    rise = next((at for at, watts in points if at >= begin_ns - 1e9 and watts > middle), None)
    fall = next((at for at, watts in points if at >= begin_ns + (end_ns - begin_ns) / 2 and watts < middle), None)
    return (None if rise is None else (rise - begin_ns) / 1e9, None if fall is None else (fall - end_ns) / 1e9)


def _window(span: tuple[int, int], readings: Sequence[Reading], points: Sequence[tuple[int, float]]) -> Window:
    energies = {
        reading.method.startswith(INTEGRAL): reading.value for reading in readings if reading.quantity == "energy_j"
    }
    power = next((reading.value for reading in readings if reading.quantity == "power_w"), None)
    rise, fall = edges(points, *span)
    return Window((span[1] - span[0]) / 1e9, energies.get(False), energies.get(True), power, rise, fall)


class _Fine:
    """Reads the power a hundred times a second, beside the meters, to see where its edges lie."""

    def __init__(self, source: NvmlSource) -> None:
        self._source = source
        self.points: list[tuple[int, float]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.01):
            watts = self._source.watts()
            if watts is not None:
                self.points.append((now_ns(), watts))


class Load:
    """The load's program: what it says of itself, and its stretches of work."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "bench.gpu_load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.facts = self._next()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def begin(self, span_s: float) -> None:
        """Let it work for so long."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{span_s}\n")

    def ended(self) -> tuple[int, int]:
        """When it began and ended, once it has ended."""
        told = self._next()
        return told["begin_ns"], told["end_ns"]

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BakeoffError(f"the load ended with status {self._process.wait()}: see what it says above")
        told: dict[str, Any] = json.loads(line)
        return told
