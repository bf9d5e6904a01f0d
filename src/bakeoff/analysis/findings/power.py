"""Whether energy figures can be believed: two ways that agree, windows long enough, a plug on the right outlet."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from bakeoff.analysis.energy import SCOPES, idle_w, scopes_of, spent, ways_apart
from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.results.records import MeterState, Reading
from bakeoff.units import significant

APART = 0.05
CORRELATES = 0.5
"""From this correlation of load and power on, a plug is taken to feed the machine."""


def energy_disagreement(cell: Cell) -> Finding | None:
    """A scope's hardware counter and the integral of its samples differ by over 5 % over a cell's trials."""
    for scope in scopes_of(cell.watched):
        both = ways_apart(cell.watched, scope)
        if both is not None and abs(both[1] / both[0] - 1) > APART:
            return Finding(
                code="energy_disagreement",
                severity="warning",
                evidence=f"{scope}: the counter told {significant(both[0])} J where its power adds up to "
                f"{significant(both[1])} J, {both[1] / both[0] - 1:+.0%}",
                advice="The figures are the counter's. A driver that averages power, or a counter that stands still, "
                "makes them differ: trust neither before a wall plug (--wall) has confirmed one.",
            )
    return None


def energy_withheld(cell: Cell) -> Finding | None:
    """A meter was there, but some trial was too short for it, or it failed, was reset or told nonsense in it."""
    for scope in scopes_of(cell.watched):
        without = [each for each in cell.watched if spent(each, cell.metered, scope) is None]
        if not without:
            continue
        reasons = [_reason(reading) for each in without for reading in each.readings if _withheld(reading, scope)]
        why = max(set(reasons), key=reasons.count) if reasons else "nothing was read in it"
        short = "too short" in why
        return Finding(
            code="energy_withheld",
            severity="warning",
            evidence=f"{scope}: no energy of {cell.of(without)}: {why}",
            advice="Longer answers make it known: raise --max-tokens." if short else
            "Look at the meter, and run again: energy is only given where every trial has it.",
        )  # fmt: skip
    return None


def phase_energy_withheld(cell: Cell) -> Finding | None:
    """The energy of prefill or decode alone is not known, since some of them were too short for the meter."""
    for scope in reversed(scopes_of(cell.ok)):
        phases = {name: _why_not(cell, scope, name) for name in ("prefill", "decode")}
        short = {name: why for name, why in phases.items() if why}
        if short:
            return Finding(
                code="phase_energy_withheld",
                severity="info",
                evidence=f"{scope}: no energy of {' or '.join(short)} alone: {next(iter(short.values()))}",
                advice="The whole answer's energy stands. A longer prompt (--shape pp4096) makes a prefill that can be "
                "told, and --max-tokens a decode.",
            )
    return None


def power_source_changed(cell: Cell) -> Finding | None:
    """A laptop went from mains to battery, or back, within a trial."""
    changed = [each for each in cell.watched if any("battery to mains" in reading.detail for reading in each.readings)]
    if not changed:
        return None
    return Finding(
        code="power_source_changed",
        severity="warning",
        evidence=f"in {cell.of(changed)} the machine went from battery to mains, or back",
        advice="Most laptops are slower on battery, so that the trials before and after are unlike. Leave the adapter "
        "in or out, and run again.",
    )


def plug_elsewhere(cell: Cell) -> Finding | None:
    """The wall plug's power does not follow the load, or is below what the chips alone took."""
    below = _below_chips(cell)
    if below is not None:
        return _elsewhere(f"the plug told {significant(below[0])} W while the {below[2]} alone took "
                          f"{significant(below[1])} W")  # fmt: skip
    found = _correlation(cell)
    if found is None or found[0] >= CORRELATES:
        return None
    correlation, busy, idle = found
    told = "always the same" if busy == idle else f"{significant(busy)} W under load and {significant(idle)} W idle"
    return _elsewhere(f"the plug's power does not follow the load ({told}; correlation {correlation:.2f})")


def _elsewhere(evidence: str) -> Finding:
    return Finding(
        code="plug_elsewhere",
        severity="severe",
        evidence=evidence,
        advice="It seems to feed something else, or to be stuck: check which outlet the machine hangs on, and whether "
        "a battery or a UPS lies between.",
    )


def idle_gpu_counted(cell: Cell) -> Finding | None:
    """Of several GPUs whose energy was added up, one drew no more than when idle."""
    powers: dict[tuple[str, str], list[float]] = {}
    for each in cell.watched:
        for reading in each.readings:
            is_power = (reading.scope, reading.quantity, reading.phase) == ("gpu", "power_w", "trial")
            if is_power and reading.value is not None and 0 <= reading.value <= 1e6:
                powers.setdefault((reading.meter, reading.detail), []).append(reading.value)
    unused = []
    for (meter, device), watts in powers.items():
        idle = idle_w(cell.metered, "gpu", meter, device)
        if idle is not None and statistics.fmean(watts) <= idle * 1.1 + 1:
            unused.append((device, statistics.fmean(watts)))
    if not unused or len(powers) == len(unused):
        return None
    names = ", ".join(f"{device} ({significant(watts)} W)" for device, watts in unused)
    return Finding(
        code="idle_gpu_counted",
        severity="info",
        evidence=f"of {len(powers)} GPUs, {names} drew no more than when idle, and the energy counts it too",
        advice="The driver does not say which GPU the engine uses. Name it with --gpu, or take the figures net of idle"
        ".",
    )


def meter_failed(cell: Cell) -> Finding | None:
    """A meter of power or energy is there, but a right is missing, or it failed."""
    states = [state for each in cell.metered for state in each.meters]
    broken = [state for state in states if state.scope in SCOPES and _is_power(state) and _is_broken(state)]
    if not broken:
        return None
    first = broken[0]
    return Finding(
        code="meter_failed",
        severity="info",
        evidence=f"{first.name}: {first.reason.rstrip('.') or first.state}",
        advice=f"To have it: {first.fix}." if first.fix else "Look at it with 'bakeoff doctor'.",
    )


def one_reading_for_all(cell: Cell) -> Finding | None:
    """The wall meter was read by hand over a run of several cells, or over too little for its last digit."""
    readings = [reading for each in cell.metered for reading in each.idle if reading.phase == "run"]
    if not readings:
        return None
    if len(readings) == 1 and readings[0].value is None:
        why, then = readings[0].detail, "Give it more to do: --sustained 10m, or a larger --max-tokens."
    elif cell.alone:
        why, then = "read by hand over the whole run: warm-ups and pauses are in it", "A plug (--wall) tells trials."
    else:
        why, then = "one reading by hand covers several cells", "Run one SUBJECT with one workload, or name a plug."
    return Finding(code="wall_by_hand", severity="info", evidence=f"wall meter: {why}", advice=then)


def _is_power(state: MeterState) -> bool:
    return state.quantity in ("power_w", "energy_j")


def _is_broken(state: MeterState) -> bool:
    return state.state in ("denied", "failed")


def _withheld(reading: Reading, scope: str, phase: str = "trial") -> bool:
    return (reading.scope, reading.quantity, reading.phase) == (scope, "energy_j", phase) and reading.value is None


def _why_not(cell: Cell, scope: str, phase: str) -> str | None:
    """Why a phase has no energy where its trial has."""
    for trial in cell.ok:
        without = [reading for reading in trial.readings if _withheld(reading, scope, phase)]
        if without and spent(trial, cell.metered, scope) is not None:
            return _reason(without[0])
    return None


def _reason(reading: Reading) -> str:
    return reading.detail.rpartition("; ")[2] or "it told nothing"


def _below_chips(cell: Cell) -> tuple[float, float, str] | None:
    """(watts at the wall, watts of a scope within it, that scope) where the part is more than the whole."""
    wall = _watts(cell, "wall")
    for inner in ("gpu", "package", "soc"):
        inside = _watts(cell, inner)
        if wall and inside and statistics.fmean(wall) < statistics.fmean(inside) * (1 - APART):
            return statistics.fmean(wall), statistics.fmean(inside), inner
    return None


def _watts(cell: Cell, scope: str) -> list[float]:
    found = [spent(each, cell.metered, scope) for each in cell.watched]
    return [told.joules / told.span_s for told in found if told is not None and told.span_s > 0]


def _correlation(cell: Cell) -> tuple[float, float, float] | None:
    """(r, mean watts under load, mean watts idle) between load, 0 or 1, and the plug's power.

    Point-biserial, each idle reading taken to spread over the range that was seen: r = Δ / √(Δ² + 4 s²) for groups of
    equal weight whose pooled standard deviation is s.
    """
    busy = _watts(cell, "wall")
    idle = [
        reading for each in cell.metered[:1] for reading in each.idle
        if (reading.scope, reading.quantity) == ("wall", "power_w") and 0 <= (reading.value or -1) <= 1e6
    ]  # fmt: skip
    if not busy or not idle:
        return None
    level = idle[0].value or 0.0
    delta = statistics.fmean(busy) - level
    spread = math.sqrt((_variance(busy) + _range_variance(idle[0])) / 2)
    return (delta / math.hypot(delta, 2 * spread) if delta or spread else 0.0), statistics.fmean(busy), level


def _variance(values: Sequence[float]) -> float:
    return statistics.variance(values) if len(values) > 1 else 0.0


def _range_variance(reading: Reading) -> float:
    """Of an even spread between the least and the most, with a plug's step of 0.1 W at least."""
    width = (reading.high or 0.0) - (reading.low or 0.0) if reading.high is not None else 0.0
    return min(max(width, 0.1), 1e6) ** 2 / 12
