"""Heat in a window: temperatures, fans, clocks, and what held the machine back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bakeoff.clock import now_ns
from bakeoff.measurement.meters.darwin import Mac
from bakeoff.measurement.meters.gpu_readings import GpuHeat, heat_of, reasons_of, slowed_by, too_hot
from bakeoff.measurement.meters.kernel import Kernel
from bakeoff.measurement.meters.sensors import (
    Throttled,
    celsius,
    clock_files,
    clock_hz,
    fan_sensors,
    temperature_sensors,
    throttled,
    turns,
)
from bakeoff.measurement.meters.sparing import Sparing
from bakeoff.results.records import Reading, Scope

CPU, GPU = "heat of the processor", "heat of GPUs"


class Seen:
    """Samples of one quantity in a window: their mean, the least and the most."""

    def __init__(self) -> None:
        self._values: list[float] = []

    def add(self, value: float | None) -> None:
        if value is not None:
            self._values.append(value)

    def reading(
        self, meter: str, scope: Scope, quantity: str, span_s: float, method: str, detail: str = ""
    ) -> Iterator[Reading]:
        """What was seen; nothing where nothing was."""
        values = self._values
        if values:
            yield Reading(
                meter=meter, scope=scope, quantity=quantity, value=sum(values) / len(values), low=min(values),
                high=max(values), span_s=span_s, samples=len(values), method=method, detail=detail,
            )  # fmt: skip


class LinuxHeat:
    """The processor's hottest sensor, its fans and clock, sampled, and how long it was slowed, counted."""

    def __init__(self, kernel: Kernel, now: Callable[[], int] = now_ns) -> None:
        self._kernel, self._now = kernel, now
        self._began_ns = 0
        self._sensors, self._fans = temperature_sensors(kernel), fan_sensors(kernel)
        self._clocks = clock_files(kernel)
        self._read = Sparing(self._look)
        self._heat, self._turns, self._clock = Seen(), Seen(), Seen()
        self._looked = False
        self._before: Throttled | None = None

    @property
    def tells(self) -> tuple[str, ...]:
        """What this machine has of it, in words."""
        has = {
            "temperatures": self._sensors, "fans": self._fans, "clocks": self._clocks,
            "throttling": throttled(self._kernel) is not None,
        }  # fmt: skip
        return tuple(name for name, there in has.items() if there)

    def start(self) -> None:
        """Begin a window."""
        self._heat, self._turns, self._clock = Seen(), Seen(), Seen()
        self._looked = False
        self._before = throttled(self._kernel)
        self._began_ns = self._now()
        self.sample()

    def sample(self) -> None:
        """Look once, where that is not too dear: some sensors answer slowly."""
        heat, fan, clock = self._read()
        if not self._read.fresh and self._looked:
            return
        self._looked = True
        self._heat.add(heat)
        self._turns.add(fan)
        self._clock.add(clock)

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds."""
        self.sample()
        return tuple(self._readings(span_s))

    def _look(self) -> tuple[float | None, float | None, float | None]:
        heat = [told for sensor in self._sensors if (told := celsius(self._kernel, sensor)) is not None]
        fans = [told for sensor in self._fans if (told := turns(self._kernel, sensor)) is not None]
        return max(heat, default=None), max(fans, default=None), clock_hz(self._kernel, self._clocks)

    def _readings(self, span_s: float) -> Iterator[Reading]:
        names = ", ".join(sensor.name for sensor in self._sensors[:2])
        kernels = "the kernel's sensors, the hottest"
        yield from self._heat.reading(CPU, "package", "temperature_c", span_s, method=kernels, detail=names)
        yield from self._turns.reading(CPU, "machine", "fan_rpm", span_s, method="the kernel's sensors, the fastest")
        yield from self._clock.reading(
            CPU, "package", "clock_hz", span_s, method="the kernel's scaling frequency, mean"
        )
        later = throttled(self._kernel)
        if self._before is not None and later is not None:
            counted_s = (self._now() - self._began_ns) / 1e9
            share, reason = self._before.reason_until(later, counted_s) or (0.0, "")
            yield Reading(
                meter=CPU, scope="package", quantity="throttled_share", value=share, span_s=span_s,
                method="the kernel's counter of thermal throttling", detail=reason,
            )  # fmt: skip


class NvidiaHeat:
    """Of one GPU: temperature, fan, clock and the reasons for a lower clock, sampled."""

    def __init__(self, nvml: Any, handle: Any, name: str) -> None:
        self._name = name
        self._read = Sparing(lambda: heat_of(nvml, handle))
        self._seen: list[GpuHeat] = []

    def start(self) -> None:
        """Begin a window."""
        self._seen = []
        self.sample()

    def sample(self) -> None:
        """Look once, where that is not too dear."""
        heat = self._read()
        if self._read.fresh or not self._seen:
            self._seen.append(heat)

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds."""
        self.sample()
        return tuple(self._readings(span_s))

    def _readings(self, span_s: float) -> Iterator[Reading]:
        for quantity in ("temperature_c", "fan_share", "clock_hz"):
            seen = Seen()
            for each in self._seen:
                seen.add(getattr(each, quantity))
            yield from seen.reading(GPU, "gpu", quantity, span_s, method="the driver, sampled", detail=self._name)
        told = [each.reasons for each in self._seen if each.reasons is not None]
        if told:
            share, reason = _held_back(told)
            yield Reading(
                meter=GPU, scope="gpu", quantity="throttled_share", value=share, span_s=span_s, samples=len(told),
                method="the driver's reasons for a lower clock, sampled",
                detail=f"{self._name}: {reason}" if reason else "",
            )  # fmt: skip


class MacHeat:
    """The Mac's thermal pressure, sampled: its sensors need rights that we do not have."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._levels: list[str] = []

    def start(self) -> None:
        """Begin a window."""
        self._levels = []
        self.sample()

    def sample(self) -> None:
        """Look once."""
        level = self._mac.thermal()
        if level is not None:
            self._levels.append(level)

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds."""
        self.sample()
        if not self._levels:
            return ()
        hot = [level for level in self._levels if level != "nominal"]
        return (
            Reading(
                meter=CPU, scope="machine", quantity="throttled_share", value=len(hot) / len(self._levels),
                span_s=span_s, samples=len(self._levels), method="macOS's thermal pressure, sampled",
                detail=f"thermal pressure: {hot[-1]}" if hot else "",
            ),
        )  # fmt: skip


def _held_back(reasons: Sequence[int]) -> tuple[float, str]:
    """The share of samples in which the GPU was too hot, and why; where it never was, at its power limit."""
    hot = [each for each in reasons if too_hot(each)]
    limited = hot or [each for each in reasons if slowed_by(each)]
    if not limited:
        return 0.0, ""
    return len(limited) / len(reasons), slowed_by(limited[-1])[0]


class Throttles:
    """Whether the device holds itself back just now, and why: for those who would rather wait until it is cool.

    A power limit at which a card always runs is no reason to wait.
    """

    def __init__(
        self, kernel: Kernel | None, gpus: Sequence[tuple[Any, Any, str]] = (), mac: Mac | None = None
    ) -> None:
        self._kernel, self._gpus, self._mac = kernel, gpus, mac
        self._last = throttled(kernel) if kernel is not None else None

    def reason(self) -> str | None:
        """In words; None where nothing holds it back, or nothing tells.

        The processor's counters tell what happened since the last question, NVIDIA's and macOS's levels what is now.
        """
        for nvml, handle, name in self._gpus:
            bits = reasons_of(nvml, handle)
            if too_hot(bits):
                return f"{name}: {slowed_by(bits)[0]}"
        level = self._mac.thermal() if self._mac is not None else None
        if level not in (None, "nominal"):
            return f"thermal pressure: {level}"
        return self._processor()

    def _processor(self) -> str | None:
        if self._kernel is None:
            return None
        before, self._last = self._last, throttled(self._kernel)
        if before is None or self._last is None:
            return None
        since = before.reason_until(self._last, 1.0)
        return since[1] if since is not None else None
