"""How many cores a chip has and how fast they run: what bounds it where memory does not.

``cores.csv`` has one row per chip, under the catalogue's spelling. A core is NVIDIA's streaming multiprocessor,
AMD's compute unit, Intel's Xe core, Apple's GPU core. Clocks are the boost clocks of the vendors' data sheets
(Apple publishes none: they are those that its ``powermetrics`` shows). The values were not looked up one by one;
for NVIDIA's desktop cards, cores × clock × 256 was compared with the published half-precision rate (within 2 %).
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from msgspec import Struct


class Cores(Struct, frozen=True, kw_only=True):
    """The cores of one chip.

    ``dies``: chips that make up the one (Apple's Ultra). ``capability``: CUDA's compute capability, None elsewhere.
    """

    cores: int
    clock_ghz: float
    dies: int = 1
    capability: float | None = None

    @property
    def rate(self) -> float:
        """Core cycles per second."""
        return self.cores * self.clock_ghz * 1e9


def cores_of(chip: str) -> Cores | None:
    """The cores of the chip of that name, None where they are not known."""
    return _table().get(chip)


@cache
def _table() -> dict[str, Cores]:
    lines = resources.files("bakeoff.hardware").joinpath("cores.csv").read_text("utf-8").splitlines()
    table = {}
    for line in lines[1:]:
        chip, cores, clock, dies, capability = line.split(",")
        table[chip] = Cores(
            cores=int(cores),
            clock_ghz=float(clock),
            dies=int(dies),
            capability=float(capability) if capability else None,
        )
    return table
