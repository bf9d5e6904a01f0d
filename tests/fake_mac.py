"""A Mac that says what a test has it say; no Mac was there to record from."""

from __future__ import annotations

from bakeoff.measurement.meters.darwin import Footprint
from bakeoff.measurement.meters.processes import Mapped


class FakeMac:
    """One Mac: footprints by process, mapped weights by process, levels."""

    def __init__(self) -> None:
        self.footprints: dict[int, Footprint] = {}
        self.mapped: dict[int, tuple[Mapped, ...]] = {}
        self.memory_level: str | None = "nominal"
        self.heat_level: str | None = "nominal"
        self.from_swap: int | None = 0

    def footprint(self, pid: int) -> Footprint | None:
        return self.footprints.get(pid)

    def mapped_weights(self, pid: int) -> tuple[Mapped, ...]:
        return self.mapped.get(pid, ())

    def pressure(self) -> str | None:
        return self.memory_level

    def thermal(self) -> str | None:
        return self.heat_level

    def swapped_in_bytes(self) -> int | None:
        return self.from_swap
