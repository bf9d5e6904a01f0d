"""The numbers in the package are what the fit makes of the published rows, and hold for chips left out."""

from __future__ import annotations

import math
from functools import cache
from importlib import resources
from typing import Any

import msgspec
import numpy as np
import pytest
from fit import processors
from fit.carried import predicted
from fit.data import Rows, load
from fit.fitting import parameters
from fit.solve import PREFILL_OWN, Problem, decode_numbers, prefill_numbers

from bakeoff.hardware.catalogue import find_machine
from bakeoff.hardware.machine import HostMemory
from bakeoff.models.catalogue import find
from bakeoff.models.recipes import tensors
from bakeoff.planning.speed import Placement, decode_tps, placement, prefill_tps, work


@cache
def rows() -> Rows:
    """The published rows."""
    return load()


@cache
def refitted() -> tuple[Problem, Any, Any]:
    """The fit, made again."""
    problem = Problem(rows().dense)
    return (problem, *parameters(problem))


@cache
def numbers() -> dict[str, Any]:
    """What the package carries."""
    return msgspec.json.decode(
        resources.files("bakeoff.planning").joinpath("fitted.json").read_bytes(), type=dict[str, Any]
    )


@pytest.mark.parametrize(("index", "vendor"), [(0, "nvidia"), (1, "apple"), (2, "amd"), (3, "intel")])
def test_fitting_again_gives_the_numbers_in_the_package(index: int, vendor: str) -> None:
    _, theta, prefill_theta = refitted()
    decode = decode_numbers(theta, np.array([index]))
    prefill, _ = prefill_numbers(prefill_theta, np.array([index]))
    carried = numbers()["vendors"][vendor]
    for name in ("step_cycles", "efficiency", "bytes_per_cycle", "cache_weight"):
        assert getattr(decode, name)[0] == pytest.approx(carried[name], rel=0.02), name
    for name in PREFILL_OWN:
        assert getattr(prefill, name)[0] == pytest.approx(carried[name], rel=0.02), name
    assert decode.launch_s == pytest.approx(numbers()["shared"]["launch_s"], rel=0.02)


def test_the_planner_says_what_the_fit_says() -> None:
    _, theta, _ = refitted()
    for chip, model, quant in (("RTX 4090", "r1-14b", "Q4_K_M"), ("Apple M2 Max 38c", "llama-2-7b", "Q8_0")):
        arch = find(model)
        planned = decode_tps(work(arch, tensors(arch, quant)), placement(find_machine(chip)))
        assert planned.point == pytest.approx(predicted(theta, chip, model, quant), rel=0.01)


def test_every_row_is_used_or_has_a_reason() -> None:
    found = rows()
    assert len(found.dense) + len(found.experts) + sum(found.dropped.values()) == 576
    assert all(found.dropped)


def test_no_row_that_is_used_passes_the_bandwidth_limit() -> None:
    for row in rows().dense + rows().experts:
        assert row.decode_tps * row.read_bytes <= row.chip.bandwidth


def test_chips_left_out_are_predicted_within_their_intervals_as_often_as_stated() -> None:
    problem, theta, _ = refitted()
    every = np.arange(len(problem.rows))
    chips = sorted(set(problem.names.tolist()))[::11]  # every eleventh, whichever they are
    inside, total = 0, 0
    for chip in chips:
        unseen = every[problem.names == chip][:4]
        left = problem.fit_decode(every[problem.names != chip], theta)
        misses = np.abs(problem.decode_log_tps(left, unseen) - problem.decode[unseen])
        width = numbers()["log_width"]["decode"][problem.rows[int(unseen[0])].chip.vendor]
        inside += int(np.sum(misses <= width))
        total += len(unseen)
    # Of n rows with a chance of 0.8 each, fewer come less than once in a hundred times.
    assert total >= 12
    assert inside >= 0.8 * total - 2.33 * math.sqrt(0.8 * 0.2 * total)


def test_the_fit_errs_less_than_a_third_of_what_the_flat_rule_does() -> None:
    problem, theta, _ = refitted()
    every = np.arange(len(problem.rows))
    fitted = np.abs(problem.decode_log_tps(theta, every) - problem.decode)
    flat = np.log([0.55 * row.chip.bandwidth / row.tensor_bytes for row in problem.rows]) - problem.decode
    assert np.median(fitted) < np.median(np.abs(flat)) / 3


def test_prefill_is_within_a_third_on_well_measured_cards() -> None:
    problem, _, _ = refitted()
    for name in ("RTX 3090 Ti", "RTX 5070", "Apple M3 Max 40c"):
        row = next(r for r in problem.rows if r.chip.name == name and r.prompt == 512 and not r.early)
        asked = work(row.arch, tensors(row.arch, row.quant))
        figure = prefill_tps(asked, placement(find_machine(name)), 512)
        assert figure.point == pytest.approx(row.prefill_tps, rel=1 / 3)


def test_the_numbers_for_processors_are_what_the_rows_give() -> None:
    made = processors.numbers(processors.rows())
    assert made == pytest.approx(numbers()["processor"], rel=1e-3)


def test_a_processor_left_out_is_predicted_better_than_by_its_bytes_alone() -> None:
    judged = processors.judged(processors.rows())
    now, before = (np.abs(np.exp(misses) - 1) for misses in (judged.misses, judged.by_bytes))
    assert np.median(now) < np.median(before)
    assert np.quantile(now, 0.8) < np.quantile(before, 0.8) / 1.5
    width = numbers()["processor"]["log_width"]
    assert np.mean(np.abs(judged.misses) <= width) >= 0.8


def test_the_planner_says_of_a_processor_what_the_fit_says() -> None:
    rows = processors.rows()
    fit = processors.fitted(rows)
    for row in rows:
        arch = find(row.model)
        host = HostMemory(
            memory_bytes=1 << 40, bandwidth_bytes_s=row.bandwidth, described="", flops=row.flops, cores=row.cores
        )
        planned = decode_tps(work(arch, tensors(arch, row.quant)), Placement(devices=(), host=host))
        assert planned.point == pytest.approx(processors.predicted(row, fit), rel=0.01), row
