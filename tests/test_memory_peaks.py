"""Peaks of memory by scope, from what meters told around trials."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from bakeoff.analysis.findings import Cell
from bakeoff.analysis.memory_peaks import memory_peaks
from bakeoff.report import terminal
from bakeoff.results.records import EngineTimings, Figure, MemoryPart, Reading
from tests.finding_cases import a_window, cell
from tests.hand_made import a_trial


def held(scope: Any, high: float | None, quantity: str = "memory_bytes") -> Reading:
    return Reading(meter="some meter", scope=scope, quantity=quantity, value=1.0, high=high)


def holding(made: Cell, *sizes: int) -> Cell:
    """The cell of an engine that says it holds this."""
    parts = tuple(MemoryPart(what="weights", device="CPU", bytes=size) for size in sizes)
    return structs.replace(made, opened=structs.replace(made.opened, engine_memory=parts))


def test_each_scope_has_the_highest_of_its_own_peaks() -> None:
    trials = [
        a_trial(memory_peak_bytes=200, readings=(held("gpu", 900), held("process", 5000))),
        a_trial(memory_peak_bytes=300, readings=(held("gpu", 800), held("gpu", 7000, "power_w"))),
    ]
    assert memory_peaks(cell(trials)) == {"process": Figure(point=300, n=2), "gpu": Figure(point=900, n=2)}


def test_a_mac_has_unified_memory_and_none_of_processes() -> None:
    assert memory_peaks(cell([a_trial(readings=(held("unified", 7.0),))])) == {
        "process": None,
        "unified": Figure(point=7, n=1),
    }


def test_the_engines_own_peak_goes_before_what_it_holds() -> None:
    silent, telling = cell([a_trial()]), cell([a_trial(engine=EngineTimings(peak_memory_bytes=70))])
    assert memory_peaks(holding(silent, 40, 40))["engine"] == Figure(point=80)
    assert memory_peaks(holding(telling, 40))["engine"] == Figure(point=70, n=1)


def test_under_load_the_peaks_are_the_windows() -> None:
    windows = [a_window(memory_peak_bytes=5, readings=(held("gpu", 9),)), a_window(memory_peak_bytes=7)]
    assert memory_peaks(cell([a_trial(memory_peak_bytes=99)], requests=4, windows=windows)) == {
        "process": Figure(point=7, n=2),
        "gpu": Figure(point=9, n=1),
    }


def test_a_peak_that_no_machine_can_have_is_none() -> None:
    assert memory_peaks(cell([a_trial(readings=(held("gpu", float("inf")), held("gpu", None)))])) == {"process": None}


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        ({"process": 1.2e9, "gpu": 20.1e9, "engine": 19e9}, "20.1 GB GPU"),
        ({"process": None, "unified": 7e9}, "7.00 GB"),
        ({"process": 1.2e9, "engine": 19e9}, "1.20 GB"),
        ({"process": None, "engine": 19e9}, "19.0 GB"),
        ({"process": None}, "–"),
    ],
)
def test_a_screen_with_room_for_one_scope_shows_the_one_that_matters_most(
    scopes: dict[str, float | None], shown: str
) -> None:
    figures = {scope: None if point is None else Figure(point=point) for scope, point in scopes.items()}
    assert terminal._memory(figures) == shown
