"""Findings of energy: each provoked, and not provoked by the nearest cell that is sound."""

from __future__ import annotations

from typing import Any

from bakeoff.analysis.findings import Cell, power
from bakeoff.measurement.meters.power import COUNTER, INTEGRAL
from bakeoff.results.records import Metered, MeterState, Reading, Trial
from tests.finding_cases import Case, Cases, cell, every_case, judge
from tests.hand_made import a_trial


def joules(value: float | None, scope: str = "gpu", way: str = COUNTER, **facts: Any) -> Reading:
    """Energy over two seconds."""
    return Reading(
        meter="meter", scope=scope, quantity="energy_j", value=value, span_s=2.0, method=f"{way}: it", **facts  # type: ignore[arg-type]
    )  # fmt: skip


def watts(value: float, scope: str = "gpu", **facts: Any) -> Reading:
    return Reading(meter="meter", scope=scope, quantity="power_w", value=value, span_s=2.0, **facts)  # type: ignore[arg-type]


def trial(*readings: Reading) -> Trial:
    return a_trial(readings=readings)


def idle(level: float, scope: str = "gpu", spread: float = 0.2, detail: str = "") -> Metered:
    """The level before the run, as one meter told it."""
    return Metered(
        meters=(),
        idle=(watts(level, scope, phase="idle", low=level - spread / 2, high=level + spread / 2, detail=detail),),
    )


def plugged(*levels: float, before: float, gpu: float | None = None, spread: float = 0.2) -> Cell:
    """Trials in which the plug told these watts, and so much when idle; ``gpu``: what the GPU took meanwhile."""
    chip = () if gpu is None else (joules(2 * gpu),)
    return cell([trial(joules(2 * level, "wall"), *chip) for level in levels], metered=[idle(before, "wall", spread)])


def two_gpus(second: float) -> Cell:
    """One GPU at work, and another, which draws 50 W when idle."""
    readings = [watts(400, detail="GPU 0"), watts(second, detail="GPU 1")]
    return cell([trial(*readings)], metered=[idle(50, detail="GPU 0"), idle(50, detail="GPU 1")])


def with_meter(state: str, reason: str = "", fix: str = "", quantity: str = "power_w") -> Cell:
    meter = MeterState(name="packages", scope="package", quantity=quantity, state=state, reason=reason, fix=fix)  # type: ignore[arg-type]
    return cell([a_trial()], metered=[Metered(meters=(meter,))])


def by_hand(value: float | None, *, alone: bool, detail: str = "") -> Cell:
    reading = Reading(meter="by hand", scope="wall", quantity="energy_j", phase="run", value=value, detail=detail)
    return cell([a_trial()], metered=[Metered(meters=(), idle=(reading,))], alone=alone)


def both_ways(summed: float) -> Cell:
    return cell([trial(joules(100), joules(summed, way=INTEGRAL))] * 3)


SHORT = joules(None, detail="GPU 0; 200 ms are too short for readings of ±100 ms")
CHANGED = joules(None, "system", detail="it went from battery to mains, or back, in the middle")

CASES: Cases = {
    power.power_source_changed: [
        (cell([trial(CHANGED), a_trial()]), "warning", "in 1 of 2 trials", cell([trial(joules(5, "system"))])),
    ],
    power.plug_elsewhere: [
        (plugged(80.0, 80.1, 79.9, before=80), "severe", "correlation 0.00", plugged(95.0, 96, 94, before=80)),
        (plugged(80.0, before=80, spread=0), "severe", "always the same", plugged(81.0, before=80, spread=0)),
        (plugged(60.0, before=80), "severe", r"60\.0 W under load and 80\.0 W idle", plugged(100.0, before=80)),
        (plugged(300.0, before=80, gpu=400), "severe", "the gpu alone took 400 W", plugged(500.0, before=80, gpu=400)),
    ],
    power.energy_disagreement: [
        (both_ways(106), "warning", r"300 J .* 318 J, \+6%", both_ways(104)),
        (both_ways(94), "warning", "-6%", both_ways(96)),
    ],
    power.energy_withheld: [
        (cell([trial(SHORT), trial(joules(5))]), "warning", "1 of 2 trials: 200 ms are too short",
         cell([trial(joules(5))])),
        (cell([trial(joules(5)), a_trial()]), "warning", "gpu: no energy of 1 of 2 trials", cell([a_trial()])),
    ],
    power.phase_energy_withheld: [
        (cell([trial(joules(5), joules(None, phase="prefill", detail="GPU 0; 90 ms are too short"))]), "info",
         "gpu: no energy of prefill alone: 90 ms are too short", cell([trial(joules(5), joules(1, phase="prefill"))])),
        (cell([trial(joules(5, "wall"), joules(None, "wall", phase="decode"), joules(5))]), "info",
         "wall: no energy of decode alone", cell([trial(joules(None), joules(None, phase="decode"))])),
    ],
    power.idle_gpu_counted: [
        (two_gpus(51), "info", r"of 2 GPUs, GPU 1 \(51\.0 W\)", two_gpus(300)),
    ],
    power.meter_failed: [
        (with_meter("denied", "only root may read it", "sudo x"), "info", "packages: only root", with_meter("ready")),
        (with_meter("failed", "it did not answer"), "info", "did not answer", with_meter("missing", "no GPU")),
        (with_meter("denied"), "info", "packages", with_meter("denied", quantity="temperature_c")),
    ],
    power.one_reading_for_all: [
        (by_hand(5e4, alone=True), "info", "warm-ups and pauses are in it", cell([a_trial()])),
        (by_hand(5e4, alone=False), "info", "covers several cells", cell([a_trial()])),
        (by_hand(None, alone=True, detail="too little"), "info", "too little", cell([a_trial()])),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_finding_of_energy_is_provoked_and_its_nearest_neighbour_is_spared(check: Any, case: Case) -> None:
    judge(check, case)


def test_advice_on_windows_that_are_too_short_is_to_make_them_longer() -> None:
    found = power.energy_withheld(cell([trial(SHORT)]))
    assert found is not None
    assert "--max-tokens" in found.advice


def test_the_command_that_grants_a_right_is_in_the_advice() -> None:
    found = power.meter_failed(with_meter("denied", "only root may read it", "sudo chmod a+r FILE"))
    assert found is not None
    assert found.advice == "To have it: sudo chmod a+r FILE."
