"""Speed, memory, energy and heat of each model, many streams, and layers on the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.planning.fit import fit
from fit.gpu.runs import (
    PROMPT,
    SPLIT_FILE,
    TALK,
    Example,
    examples,
    foreseen,
    machine,
    on_gpu,
    rate,
    read,
    readings,
)
from fit.gpu.text import NOTHING, gigabytes, number, prose, share, shown, span
from fit.markdown import table

if TYPE_CHECKING:
    from bakeoff.analysis.summary import CellSummary

WIDE = 0.2
"""Half-width of an interval, as a share of its figure, from which it says little."""


def decode() -> str:
    """Decode of a prompt of 76 tokens and 256 tokens of answer."""
    lines = []
    for example in examples():
        cell = example.cell(TALK)
        measured, predicted = cell.metrics["decode_tps"], cell.opened.predicted
        assert measured is not None
        assert predicted is not None
        low, point, high = foreseen(cell)[0]
        inside = "yes" if low <= measured.point <= high else "no"
        off, limit = share(point / measured.point - 1, signed=True), share(measured.point / predicted.limit_tps)
        lines.append((example.name, shown(measured), span(low, point, high), off, inside, limit))
    return table(("model", "measured, tok/s", "predicted", "error", "inside", "of the bandwidth limit"), lines)


def short() -> str:
    """The README's table: a line a model."""
    lines = []
    for example in examples():
        cell = example.cell(TALK)
        measured, predicted, told = cell.metrics["decode_tps"], cell.opened.predicted, cell.peak_memory_bytes["gpu"]
        assert measured is not None
        assert predicted is not None
        assert told is not None
        planned = sum(_planned_on_gpu(example, int(str(cell.opened.subject.settings["slots"]))))
        spent = cell if cell.energy.figures["power_w"].get("gpu") else example.cell("streams, 1 stream")
        figures = spent.energy.figures
        net, watts, prompt = figures["net_tokens_per_joule"]["gpu"], figures["power_w"]["gpu"], example.cell(PROMPT)
        assert net is not None
        lines.append((
            example.name.replace("r1-", "R1 ").replace("b ", "B "), shown(measured), span(*foreseen(cell)[0]),
            share(measured.point / predicted.limit_tps), shown(prompt.metrics["prefill_tps"]),
            span(*foreseen(prompt)[1]), f"{gigabytes(told.point)} / {gigabytes(planned)}",
            shown(watts), number(net.point),
        ))  # fmt: skip
    heading = ("one H100", "decode, tokens/s", "predicted", "of the bandwidth limit", "prefill, tokens/s", "predicted",
               "GPU memory / planned, GB", "watts", "tokens/J, net")  # fmt: skip
    return table(heading, lines)


def prefill() -> str:
    """Prefill of both prompts, in tokens a second."""
    heading = ["model"]
    lines = [[example.name] for example in examples()]
    for workload in (TALK, PROMPT):
        cells = [example.cell(workload) for example in examples()]
        heading += [f"{cells[0].opened.workload.prompt_tokens} tokens, tok/s", "predicted", "error"]
        for line, cell in zip(lines, cells, strict=True):
            measured, predicted = cell.metrics["prefill_tps"], foreseen(cell)[1]
            assert measured is not None
            line += [shown(measured), span(*predicted), share(predicted[1] / measured.point - 1, signed=True)]
    return table(heading, lines)


def memory() -> str:
    """What lies on the GPU: planned, as the engine tells it, and as the driver accounts it to the process."""
    lines, contexts, context = [], [], 0
    for example in examples():
        cell = example.cell(TALK)
        count = int(str(cell.opened.subject.settings["slots"]))
        planned, context = _planned_on_gpu(example, count)
        told = cell.peak_memory_bytes["gpu"]
        assert told is not None
        contexts.append(told.point - on_gpu(cell))
        sizes = (planned, on_gpu(cell), planned + context, told.point)
        off = share((planned + context) / told.point - 1, signed=True, places=1)
        lines.append((example.name, str(count), *(gigabytes(size) for size in sizes), off))
    heading = (
        "model",
        "slots",
        "buffers planned, GB",
        "by the engine",
        "process planned, GB",
        "by the driver",
        "error",
    )
    said = f"""Planned with a cache for each slot, by the planner as it is now. The engine's are from its log, the
    driver's are its account of the process, at the peak.
    Between the two lie {gigabytes(min(contexts))} to {gigabytes(max(contexts))} GB of CUDA context and kernels, where
    the planner counts {gigabytes(context)}; its buffers are larger than this build's, since it plans for older ones
    too. The two nearly cancel, so the last column flatters it."""
    return table(heading, lines) + "\n\n" + prose(said)


def _planned_on_gpu(example: Example, streams: int) -> tuple[int, int]:
    """Bytes of an engine's buffers on the GPU, by the planner as it is now; those of the CUDA context beside them."""
    found = fit(machine(), *example.shape(), context=2048, streams=streams)
    return found.total_bytes - found.host_bytes, found.runtime_bytes


def energy() -> str:
    """Watts and tokens per joule, prefill and decode together; of the 7B, one stream's windows where it has to be."""
    lines = []
    for example in examples():
        cell, mark = example.cell(TALK), ""
        if not cell.energy.figures["power_w"].get("gpu"):
            cell, mark = example.cell("streams, 1 stream"), " ¹"
        decoded = shown(cell.energy.figures["decode_energy_j_per_token"].get("gpu"))
        lines.append((example.name + mark, *_energy(cell), decoded, *_heat(example)))
    heading = ("model", "watts", "tok/J gross", "tok/J net", "decode, J/token", "hottest, °C", "lowest clock, MHz",
               "held back")  # fmt: skip
    times = [figure.point * 1e3 for example in examples() if (figure := example.cell(TALK).metrics["ttft_s"])]
    said = f"""Of whole trials, prefill and decode; *net* is above the idle level. Of prefill alone there is no figure,
    since it took {min(times):.0f} to {max(times):.0f} ms and the driver's figures change ten times a second; of decode
    alone, where it was long enough. ¹ One stream's windows, with answers of 64 tokens: not every trial was long enough
    to have an energy. Heat and clock were sampled twice a second, in warm-ups too."""
    return table(heading, lines) + "\n\n" + prose(said)


def _energy(cell: CellSummary) -> list[str]:
    figures = cell.energy.figures
    return [shown(figures[name].get("gpu")) for name in ("power_w", "tokens_per_joule", "net_tokens_per_joule")]


def _heat(example: Example) -> list[str]:
    hottest = max(reading.high or 0.0 for reading in readings(example, "temperature_c"))
    slowest = min(reading.low or 0.0 for reading in readings(example, "clock_hz"))
    held = max(reading.value or 0.0 for reading in readings(example, "throttled_share"))
    return [f"{hottest:.0f}", f"{slowest / 1e6:.0f}", "never" if held == 0 else share(held)]


def streams() -> str:
    """One to 32 streams of the 7B, and which of these say little."""
    lines, wide = [], []
    for cell in examples()[0].cells:
        load, count = cell.load, cell.opened.workload.concurrency
        if load is None or load.output_tps is None:
            continue
        total, waits = load.output_tps, load.ttft_s
        half = ((total.high or 0) - (total.low or 0)) / 2 / total.point
        if half > WIDE:
            wide.append(f"{count} (±{share(half)})")
        requests = [str(load.windows), str(load.requests)]
        times = [shown(waits["p50"], 1e3), number(waits["p99"].point * 1e3)]
        lines.append((str(count), shown(total), shown(load.output_tps_per_stream), *times, *_energy(cell), *requests))
    heading = ("streams", "tok/s in all", "tok/s each", "TTFT p50, ms", "TTFT p99, ms", "watts", "tok/J gross",
               "tok/J net", "windows", "requests")  # fmt: skip
    asked = """128 tokens of prompt and 64 of answer; each stream sends its next request when the last one is answered.
    *In all* counts tokens that came while every stream was busy, over that time."""
    uncertain = f"Windows are too few for {' and '.join(wide)} streams: there" if wide else "Where intervals are wide,"
    said = f"""{uncertain} the interval says little more than that the windows differed, and no step from one row to the
    next is certain where intervals overlap. A p99 of fewer than a hundred requests is about the slowest of them, so it
    has no interval."""
    return "\n\n".join((prose(asked), table(heading, lines), prose(said)))


def split() -> str:
    """The 70B with all of its layers on the GPU and with some."""
    lines = []
    for cell in read(SPLIT_FILE).cells:
        settings, predicted = cell.opened.subject.settings, cell.opened.predicted
        assert predicted is not None
        (low, point, high), fast = foreseen(cell)
        decoded, prompt = cell.metrics["decode_tps"], cell.metrics["prefill_tps"]
        assert decoded is not None
        assert prompt is not None
        peaks = [cell.peak_memory_bytes[scope] for scope in ("gpu", "process")]
        lines.append((
            f"{settings['layers_on_gpu']} of {settings['layers']}",
            shown(decoded), span(low, point, high), share(point / decoded.point - 1, signed=True),
            number(predicted.limit_tps), share(decoded.point / predicted.limit_tps),
            shown(prompt), span(*fast), share(fast[1] / prompt.point - 1, signed=True),
            *(gigabytes(peak.point) if peak else NOTHING for peak in peaks),
            *(_watts(cell, phase) for phase in ("prefill", "decode")),
        ))  # fmt: skip
    heading = ("layers on the GPU", "decode, tok/s", "predicted", "error", "limit", "of the limit", "prefill, tok/s",
               "predicted", "error", "GPU, GB", "process, GB", "prefill, W", "decode, W")  # fmt: skip
    asked = """128 tokens of prompt and 32 of answer. Only here does prefill last long enough to have its own watts. The
    limit is what the bandwidth of both memories allows, the host's as `bakeoff plan --calibrate` had measured it."""
    return prose(asked) + "\n\n" + table(heading, lines)


def _watts(cell: CellSummary, phase: str) -> str:
    """Mean power of one phase: joules a token × tokens / the phase's seconds, over the trials."""
    per_token = cell.energy.figures[f"{phase}_energy_j_per_token"].get("gpu")
    return NOTHING if per_token is None else number(per_token.point * rate(cell, f"{phase}_tps"))
