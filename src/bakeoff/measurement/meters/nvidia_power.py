"""NVIDIA GPUs: the driver's energy counter (Volta and later) and its instant power.

``nvmlDeviceGetPowerUsage`` is an average over one second on Ampere and later, A100 apart; the field
``NVML_FI_DEV_POWER_INSTANT`` is not (NVIDIA, NVML API reference). Reading the counter takes milliseconds, the power
microseconds.
"""

from __future__ import annotations

from typing import Any

from bakeoff.measurement.meters.base import Absent, Running, Target
from bakeoff.measurement.meters.gpus import NvidiaGpu
from bakeoff.measurement.meters.machine import Surroundings, absent_gpu
from bakeoff.measurement.meters.nvidia import NoLibrary
from bakeoff.measurement.meters.power import Look, PowerMeter
from bakeoff.measurement.meters.trace import Counter, Watts
from bakeoff.results.records import MeterState

NAME = "power of NVIDIA GPUs"
RATE_HZ = 10.0
UPDATE_S = 0.1
"""What the time from one update of the counter, and of the instant power, to the next is taken for; ``python -m bench
meters`` shows that of a card."""
AVERAGED_S = 1.0


class NvidiaPower:
    """Every NVIDIA GPU that the target uses, each a meter."""

    name = NAME

    def __init__(self, here: Surroundings) -> None:
        self._here = here

    def open(self, target: Target) -> tuple[Running, ...]:
        here = self._here
        if isinstance(here.nvml, NoLibrary) or not here.nvidia:
            return (absent_gpu(NAME, "power_w", here.nvml),)
        used = [gpu for gpu in here.used(target) if isinstance(gpu, NvidiaGpu)]
        return tuple(self._one(gpu) for gpu in used)

    def _one(self, gpu: NvidiaGpu) -> Running:
        source = NvmlSource(self._here.nvml, gpu.handle)
        counts, tells = source.joules() is not None, source.watts() is not None
        if not counts and not tells:
            return Absent(NAME, "gpu", "power_w", "missing", f"{gpu.name} tells neither its power nor its energy")
        words = [*(["energy counter"] if counts else []), *([source.power_words] if tells else [])]
        told_by = f"the driver's {' and '.join(words)}"
        state = MeterState(name=NAME, scope="gpu", quantity="power_w", state="ready", method=told_by, rate_hz=RATE_HZ)
        return PowerMeter(
            state,
            source,
            told_by=told_by,
            counter=Counter(period_s=UPDATE_S, quantum_j=0.001),
            watts=Watts(period_s=UPDATE_S if source.instant else AVERAGED_S),
            detail=gpu.name,
        )


class NvmlSource:
    """One GPU by its handle. ``instant``: its power is not an average over a second."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        self.instant = self._instant_w() is not None

    @property
    def power_words(self) -> str:
        """What its power is."""
        return "instant power" if self.instant else "power, averaged over a second on Ampere and later"

    def look(self, counter: bool) -> Look:
        """Raises what the library raises where the GPU is lost."""
        joules = self.joules() if counter else None
        watts = self.watts()
        if joules is None and watts is None and (counter or not self.instant):
            self._nvml.nvmlDeviceGetPowerUsage(self._handle)
        return Look(joules, watts)

    def joules(self) -> float | None:
        """Since the driver was loaded."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except self._nvml.NVMLError:
            return None

    def watts(self) -> float | None:
        """Now, where that is told, else averaged."""
        if self.instant:
            return self._instant_w()
        try:
            return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000
        except self._nvml.NVMLError:
            return None

    def _instant_w(self) -> float | None:
        nvml = self._nvml
        try:
            (field,) = nvml.nvmlDeviceGetFieldValues(self._handle, [nvml.NVML_FI_DEV_POWER_INSTANT])
        except (nvml.NVMLError, AttributeError):
            return None
        return float(field.value.uiVal) / 1000 if field.nvmlReturn == nvml.NVML_SUCCESS else None

    def close(self) -> None:
        """The library stays loaded: others use it too."""
