"""Whether memory was short in a window: stalls, and pages that came back from swap."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from bakeoff.clock import now_ns
from bakeoff.measurement.meters.darwin import Mac
from bakeoff.measurement.meters.kernel import Kernel
from bakeoff.measurement.meters.psi import MACHINE, Stalled, pressure_files, stalled, swapped_in_pages
from bakeoff.results.records import Reading

NAME = "shortage of memory"


class LinuxPressure:
    """By the kernel's counters, read at the window's ends: nothing is sampled."""

    def __init__(
        self, kernel: Kernel, pid: int | None, page_bytes: int | None = None, now: Callable[[], int] = now_ns
    ) -> None:
        self._kernel, self._now = kernel, now
        self._began_ns = 0
        self._paths = pressure_files(kernel, pid)
        self._page = page_bytes or os.sysconf("SC_PAGE_SIZE")
        self._before: dict[str, Stalled] = {}
        self._pages: int | None = None

    def start(self) -> None:
        """Begin a window."""
        self._before = {path: told for path in self._paths if (told := stalled(self._kernel, path))}
        self._pages = swapped_in_pages(self._kernel)
        self._began_ns = self._now()

    def sample(self) -> None:
        """Nothing: counters are read at the ends."""

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds."""
        return tuple(self._readings(span_s))

    def _readings(self, span_s: float) -> Iterator[Reading]:
        counted_s = (self._now() - self._began_ns) / 1e9
        for path, before in self._before.items():
            later = stalled(self._kernel, path)
            share = before.share_until(later, counted_s) if later else None
            if share is not None:
                yield Reading(
                    meter=NAME, scope="machine", quantity="pressure_share", value=share, span_s=span_s,
                    method="the kernel's pressure stall counter (some)",
                    detail="the machine" if path == MACHINE else "the engine's control group",
                )  # fmt: skip
        pages = swapped_in_pages(self._kernel)
        if pages is not None and self._pages is not None and pages >= self._pages:
            yield _swapped_in((pages - self._pages) * self._page, span_s)


class MacPressure:
    """By the kernel's level, sampled, and its count of pages from swap."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._levels: list[str] = []
        self._before: int | None = None

    def start(self) -> None:
        """Begin a window."""
        self._levels, self._before = [], self._mac.swapped_in_bytes()
        self.sample()

    def sample(self) -> None:
        """Look once."""
        level = self._mac.pressure()
        if level is not None:
            self._levels.append(level)

    def finish(self, span_s: float) -> tuple[Reading, ...]:
        """End the window of so many seconds."""
        self.sample()
        return tuple(self._readings(span_s))

    def _readings(self, span_s: float) -> Iterator[Reading]:
        if self._levels:
            short = [level for level in self._levels if level != "nominal"]
            yield Reading(
                meter=NAME, scope="machine", quantity="pressure_share", value=len(short) / len(self._levels),
                span_s=span_s, samples=len(self._levels), method="the kernel's level, sampled",
                detail="critical" if "critical" in short else "warn" if short else "nominal",
            )  # fmt: skip
        later = self._mac.swapped_in_bytes()
        if later is not None and self._before is not None and later >= self._before:
            yield _swapped_in(later - self._before, span_s)


def _swapped_in(count: int, span_s: float) -> Reading:
    return Reading(
        meter=NAME, scope="machine", quantity="swap_in_bytes", value=count, span_s=span_s,
        method="the kernel's count of pages from swap",
    )  # fmt: skip
