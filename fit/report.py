"""The page on how far predictions can be trusted: every figure as it comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.planning.formula import CORNER, VENDORS
from fit import processors
from fit.carried import predicted
from fit.data import chip, others
from fit.judge import leave_out_chips
from fit.solve import DECODE_NAMES, PREFILL_NAMES, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fit.fitting import Result

FLAT = 0.55
HEADING = "| rows | chips | n | median error | 4 in 5 within | inside the 80 % interval | flat 55 %: median | 4 in 5 |"
PLAIN = "| rows | chips | n | median error | 4 in 5 within | inside the 80 % interval |"
INTRODUCTION = """# How far predictions can be trusted

This page is written by `make fit-report`, which fits the numbers in `src/bakeoff/planning/fitted.json` again on
`fit/speeds.csv` (published measurements, each with its source). The formulas are in
`src/bakeoff/planning/formula.py`.

Every row below was predicted by a fit that had not seen its chip: each chip in turn is left out with all its rows
and backends, numbers of GPUs included. Its interval comes from the misses on the other chips. The error is
|predicted / measured − 1|. Beside it stands the usual rule on the same rows: 55 % of the bandwidth over the bytes
of all weights. Nothing is left out of these tables but the rows listed at the end."""
CHOICES = """The form has few parameters: {decode} for decode, {prefill} for prefill, none of them for one chip. A
vendor's own factors are drawn to the common value, so that vendors with few chips lean on it. The form was chosen on
these same rows, so its choice is not independent of them. Also tried there and not taken: a layer's steps with half or
no dependence on the clock (median error up to 5.2 %), a loss for error-correcting memory, a factor for each
quantization at decode (all came out within a tenth of 1). Tried when [an H100](gpu.md) had been measured, of which no
row is among these: a time of each token's own (no gain), steps of a layer that are longer on data-centre chips (four
in five within 10.4 %) or the more cores there are (9.7 %, but the H100's small models still a third too fast), and what
each quantization costs the cores (median 4.1 %, four in five within 10.1 %, three numbers more). None explained it, so
none was taken. Prefill was changed then: each batch reads all weights once, which takes no number more; without it the
median error was 11.1 % and four in five were within 27.5 %. What it would have been to combine the bounds of decode
otherwise:"""
WARNING = """Leaving out one chip leaves its siblings in (an M2 Max with 30 cores beside one with 38). A new
generation will be predicted less well than these tables say, most of all Apple's. Most rows of Q4_K_M and F16 on
NVIDIA are of May 2024, before CUDA graphs; what kernels cost to launch is fitted on them, and today's engines are
predicted without it."""
PROCESSORS = """Decode without a GPU, on {machines} machines, each left out in turn; cores and vector operations are
reckoned as `bakeoff doctor` does. Beside it stands what bytes alone would say: the median share of the bandwidth.
The interval is what four in five machines need, a factor of {width:.2f} either way. The form was chosen on these
same rows, few machines stand behind it, and three of the numbers rest on less. The operations of a weight
({operations:.1f}) are the median of five processors on few threads, from {least:.1f} to {most:.1f}
(`fit/threads.csv`). What a node of the graph costs is of two processors. That a weight of a type which llama.cpp
does not repack for the vector units (Q4_1, Q5_0, Q8_0, F16) costs {plain:.1f} times as much was measured on one, an
EPYC with the embedded engine (`fit/unpacking.csv`): the SmolLM2 of the table ran there too and is no blind test of
it. The Raspberry Pi's 0.5B is one, 79 % of which are such weights. Unpacking, not waiting, is what made SmolLM2
slow: on one thread, where none waits for another, it took 1.8 times as long at Q4_1 as at Q4_0, which is 0.93 times
the bytes. What binds is said of a plan whose steps and unpacking take longer than its memory."""
PROCESSOR_HEADING = "| machine | model | measured | predicted | error | inside | by bytes alone |"
OTHERS = """No number was fitted on these rows, but they were looked at while the form was being chosen, so they are
no blind test. They stand against the fit on all rows. Some of these chips are in the rows above with other models and
quantizations, others are not (marked *unseen*)."""


def page(result: Result) -> str:
    """The page, in Markdown."""
    rows, misses = result.rows, result.misses
    parts = [
        INTRODUCTION,
        "## Decode",
        _table(HEADING, _decode_lines(result)),
        "## Prefill",
        "Prefill is bound by compute and by power, varies with build and settings, and is predicted less well.",
        _table(PLAIN, _prefill_lines(result)),
        "## Processors without a GPU",
        *_processors(),
        "## Other measurements",
        OTHERS,
        _others(result),
        "## How the form was chosen",
        CHOICES.format(decode=len(DECODE_NAMES), prefill=len(PREFILL_NAMES)),
        _forms(result),
        WARNING,
        "## What was left out, and why",
        _dropped(result),
        "## What this rests on little or nothing for",
        _thin(result),
    ]
    assert len(misses.decode) == len(rows.dense)
    return "\n\n".join(parts) + "\n"


def error(misses: Any) -> Any:
    """|predicted / measured − 1| of logarithmic misses."""
    return np.abs(np.exp(misses) - 1)


def _decode_lines(result: Result) -> Iterable[str]:
    problem, misses = result.problem, result.misses
    flat = np.log([FLAT * row.chip.bandwidth / row.tensor_bytes for row in problem.rows]) - problem.decode
    for label, mask in _groups(problem):
        if mask.any():
            plain = _line(label, problem, misses.decode, misses.decode_width, mask)
            wrong = error(flat[mask])
            yield f"{plain} {_percent(np.median(wrong))} | {_percent(np.quantile(wrong, 0.8))} |"


def _prefill_lines(result: Result) -> Iterable[str]:
    problem, misses = result.problem, result.misses
    known = np.isfinite(misses.prefill)
    for label, mask in _groups(problem):
        if (mask & known).any():
            yield _line(label, problem, misses.prefill, misses.prefill_width, mask & known)


def _groups(problem: Problem) -> Iterable[tuple[str, Any]]:
    yield "**all**", np.ones(len(problem.rows), bool)
    for index, vendor in enumerate(VENDORS):
        yield vendor, problem.vendor == index
    quants = np.array([row.quant for row in problem.rows])
    for quant in sorted(set(quants.tolist())):
        yield quant, quants == quant
    yield "one GPU", problem.gpus == 1
    yield "several GPUs", problem.gpus > 1
    yield "128 tokens from empty", ~np.array([row.early for row in problem.rows])
    yield "8,192 tokens from empty", problem.prompt == 8192


def _line(label: str, problem: Problem, misses: Any, widths: Any, mask: Any) -> str:
    wrong = error(misses[mask])
    inside = np.mean(np.abs(misses[mask]) <= widths[mask])
    chips = len(set(problem.names[mask].tolist()))
    return (
        f"| {label} | {chips} | {mask.sum()} | {_percent(np.median(wrong))} | {_percent(np.quantile(wrong, 0.8))} | "
        f"{_percent(inside, 0)} |"
    )


def _processors() -> tuple[str, str, str]:
    """What stands behind it, the errors in short, and a line for each row."""
    rows = processors.rows()
    judged, numbers = processors.judged(rows), processors.numbers(rows)
    costs = processors.costs()
    about = PROCESSORS.format(
        machines=numbers["machines"],
        width=np.exp(numbers["log_width"]),
        operations=numbers["operations_per_weight"],
        least=min(costs),
        most=max(costs),
        plain=numbers["plain_cost"],
    )
    now, before = error(np.array(judged.misses)), error(np.array(judged.by_bytes))
    short = (
        f"Median error {_percent(np.median(now))}, four in five within {_percent(np.quantile(now, 0.8))}; by bytes "
        f"alone {_percent(np.median(before))} and {_percent(np.quantile(before, 0.8))}."
    )
    lines = [
        f"| {row.machine} | {row.model} {row.quant} | {row.decode_tps:.4g} | {row.decode_tps * np.exp(miss):.3g} | "
        f"{np.exp(miss) - 1:+.0%} | {'yes' if abs(miss) <= numbers['log_width'] else 'no'} | {np.exp(old) - 1:+.0%} |"
        for row, miss, old in zip(rows, judged.misses, judged.by_bytes, strict=True)
    ]
    return about, short, _table(PROCESSOR_HEADING, lines)


def _others(result: Result) -> str:
    heading = "| chip | model | measured | predicted | error | inside |"
    seen, lines, wrong = set(result.problem.names.tolist()), [], []
    widths = result.numbers["log_width"]["decode"]
    for line in others():
        if line["engine"] != "llamacpp":
            continue
        measured = float(line["decode_tps"])
        rate = predicted(result.theta, line["chip"], line["model"], line["quant"])
        known = chip(line["chip"])
        assert known is not None
        inside = abs(np.log(rate / measured)) <= widths[known.vendor]
        wrong.append((abs(rate / measured - 1), inside))
        name = line["chip"] if line["chip"] in seen else f"{line['chip']} *unseen*"
        lines.append(
            f"| {name} | {line['model']} {line['quant']} | {measured:.1f} | {rate:.1f} | {rate / measured - 1:+.0%} | "
            f"{'yes' if inside else 'no'} |"
        )
    errors = np.array([one for one, _ in wrong])
    summary = (
        f"Median error {_percent(np.median(errors))}, four in five within {_percent(np.quantile(errors, 0.8))}, "
        f"{_percent(np.mean([inside for _, inside in wrong]), 0)} of {len(errors)} inside the interval."
    )
    return summary + "\n\n" + _table(heading, lines)


def _forms(result: Result) -> str:
    lines = []
    for corner, label in ((1, "sum of both bounds"), (2, "squares"), (CORNER, "cubes (taken)"), (6, "sixth powers")):
        again = result.misses if corner == CORNER else leave_out_chips(Problem(result.rows.dense, corner))
        wrong = error(again.decode)
        lines.append(f"| {label} | {_percent(np.median(wrong))} | {_percent(np.quantile(wrong, 0.8))} |")
    return _table("| how memory and cores combine | median error | 4 in 5 within |", lines)


def _dropped(result: Result) -> str:
    lines = [f"| decode and prefill | {count} | {reason} |" for reason, count in result.rows.dropped.items()]
    impossible = "above the bandwidth limit by the bytes of its active weights"
    if impossible not in result.rows.dropped:
        lines.append(f"| decode and prefill | 0 | {impossible} |")
    lines.append(f"| decode and prefill | {len(result.rows.experts)} | mixture of experts: only for its own factor |")
    reasons = [row.prefill_dropped for row in result.rows.dense if row.prefill_dropped]
    lines += [f"| prefill | {reasons.count(reason)} | {reason} |" for reason in dict.fromkeys(reasons)]
    return _table("| of | rows | why |", lines)


def _thin(result: Result) -> str:
    numbers = result.numbers
    processor = numbers["processor"]
    return "\n".join(
        (
            f"- Processors without a GPU: {processor['machines']} machines, whose memory gives "
            f"{processor['efficiency']:.0%} of its peak. Their prefill is an assumption. Virtual processors may be two "
            "threads of one core, which a guest cannot see.",
            f"- Mixtures of experts: one factor ({numbers['experts']['step_factor']:.2f} × the time of a dense "
            f"layer's steps) from {numbers['experts']['rows']} rows of one chip, Strix Halo; the interval is widened.",
            f"- Ollama: llama.cpp's prediction and {numbers['ollama_s'] * 1e3:.2f} ms a token, the median of nine "
            "published rows of early 2025.",
            "- vLLM and MLX: no rows of one stream; llama.cpp's prediction with a wider interval.",
            "- A split between GPU and processor: no rows; each part as it is predicted alone, PCIe at 25 GB/s.",
            "- Quantizations without rows of dense models (Q2_K to Q3_K, Q5_*, Q6_K, IQ*): as the others, by bytes.",
        )
    )


def _table(heading: str, lines: Iterable[str]) -> str:
    columns = heading.count("|") - 1
    return "\n".join((heading, "|" + " --- |" * columns, *lines))


def _percent(share: float, places: int = 1) -> str:
    return f"{100 * float(share):.{places}f} %"
