"""What explains where the planner was wrong, worked out from the runs and what was recorded beside them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.hardware.machine import HostMemory
from bakeoff.planning.speed import PCIE_BYTES_S, Placement, decode_tps, prefill_tps, work
from fit.gpu.runs import (
    PROMPT,
    SPLIT,
    SPLIT_FILE,
    TALK,
    Example,
    examples,
    first,
    foreseen,
    machine,
    on_gpu,
    rate,
    read,
    record,
    slots,
)
from fit.gpu.text import number, prose, share
from fit.markdown import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bakeoff.analysis.summary import CellSummary

QUANT = "Q4_K_M"
DEFAULT, ON_GPU, TEMPERATURE = "default", "backend", "temperature alone"


def page() -> str:
    """The section, in Markdown."""
    sections = (
        ("Decode of small models", decode), ("Sampling on the host", sampling), ("Many streams", streams),
        ("Prefill", prefill), ("The split", split),
    )  # fmt: skip
    return "\n\n".join(f"### {title}\n\n{section()}" for title, section in sections)


def two_numbers(found: Sequence[Example], seconds: Callable[[Example], float]) -> tuple[float, float]:
    """Seconds a layer and seconds a byte: least squares on the relative misses of layers × a + bytes × b."""
    rows = np.array([(each.layers(), each.weights_on_gpu()) for each in found]) / [[seconds(each)] for each in found]
    (a, b), *_ = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)
    return float(a), float(b)


def decode() -> str:
    """A line through the Q4_K_M models, and where Q8_0 lies beside it."""
    same = [example for example in examples() if example.name.endswith(QUANT)]
    (a, b), lines = two_numbers(same, Example.seconds), []
    for example in examples():
        seconds, size = example.seconds(), example.weights_on_gpu()
        by_two = example.layers() * a + size * b
        lines.append((
            example.name, str(example.layers()), f"{size / 1e9:.2f}", f"{seconds * 1e3:.2f}",
            f"{_planned_s(example) * 1e3:.2f}", f"{by_two * 1e3:.2f}",
            share(by_two / seconds - 1, signed=True, places=1),
            f"{_left_s(example) * 1e6:.0f}",
        ))  # fmt: skip
    heading = ("model", "layers", "GB on the GPU", "measured, ms a token", "planner, ms", "line, ms", "line's error",
               "left beside the bandwidth, µs a layer")  # fmt: skip
    planned_a, planned_b = two_numbers(same, _planned_s)
    said = (
        f"""Least squares over the {len(same)} models at {QUANT} give **{a * 1e6:.0f} µs a layer and {1e-9 / b:,.0f}
        GB/s**: two numbers for {len(same)} points, so small residuals prove little by themselves. The same line through
        the planner's figures has {planned_a * 1e6:.0f} µs and {1e-9 / planned_b:,.0f} GB/s: what other cards taught is
        too short a time a layer and too slow a reading. On the 70B the two cancel, on the 7B they do not.""",
        _beside_q8_0(b),
        """Forms of the planner that would say so were fitted on the published rows: none predicted chips left out
        better and brought this card's small models near ([what was tried](prediction.md)). So decode is predicted as
        before.""",
    )
    return "\n\n".join((table(heading, lines), *map(prose, said)))


def _beside_q8_0(seconds_a_byte: float) -> str:
    """What Q8_0 says of Q4_K_M, on the same shapes."""
    seven, seven_q8, fourteen, fourteen_q8 = examples()[:4]
    used = share(1 / seconds_a_byte / machine().devices[0].bandwidth_bytes_s)
    bytes_more, longer = seven_q8.weights_on_gpu() / seven.weights_on_gpu(), seven_q8.seconds() / seven.seconds()
    return f"""On this line {QUANT} reads at {used} of the card's bandwidth, so that alone does not bind it; of the 7B,
    Q8_0 reads {bytes_more:.1f} times the bytes in {longer:.2f} times the time. If both read the 14B as fast as the card
    can, {_left_s(fourteen) * 1e6:.0f} µs a layer would be left at {QUANT} and {_left_s(fourteen_q8) * 1e6:.0f} at Q8_0:
    what a layer takes is not one figure for both, part of it is {QUANT}'s own, its unpacking or the order of its
    kernels. Which, these runs cannot tell; a profile would."""


def _planned_s(example: Example) -> float:
    return 1 / foreseen(example.cell(TALK))[0][1]


def _left_s(example: Example) -> float:
    """Seconds a layer that are left where the weights are read at the card's full bandwidth."""
    reading = example.weights_on_gpu() / machine().devices[0].bandwidth_bytes_s
    return (example.seconds() - reading) / example.layers()


def sampling() -> str:
    """What of a step is the host's choosing of the token, from trials of samplers on the same machine."""
    lines = [
        (way, flag or "none", *(_trials(way, n, flag) for n in (1, 8)))
        for way, flag in dict.fromkeys(
            (each["request"], each["server_flag"]) for each in record("sampling.json")["measured"]
        )
    ]  # fmt: skip
    heading = ("request's samplers", "server's flag", "1 stream, ms a step", "8 streams, ms a step")
    one, eight = (_mean(DEFAULT, n) - _mean(ON_GPU, n) for n in (1, 8))
    seven = examples()[0]
    said = f"""The 7B at {QUANT} with `{record("sampling.json")["server_arguments"]}`, answers not streamed. Choosing
    the token on the GPU takes {one:.2f} ms off a step of one stream and {eight:.1f} ms off one of eight,
    {eight / 8:.2f} ms a stream: the host goes through {seven.shape()[0].vocab:,} logits for each stream, one stream
    after the other. Temperature without top-k before it, a sampler over the whole vocabulary, took
    {_mean(TEMPERATURE, 1):.1f} and {_mean(TEMPERATURE, 8):.0f} ms. The planner's decode is that of llama-bench, which
    chooses no token: {one:.1f} of the {(seven.seconds() - _planned_s(seven)) * 1e3:.1f} ms by which the 7B was missed
    are this. It depends on the host and was measured on one, so the planner is left as it is."""
    return table(heading, lines) + "\n\n" + prose(said)


def _of(request: str, streams: int, flag: str = "") -> list[float]:
    wanted = (request, streams, flag)
    told = record("sampling.json")["measured"]
    return next(each["ms_a_step"] for each in told if (each["request"], each["streams"], each["server_flag"]) == wanted)


def _trials(request: str, streams: int, flag: str) -> str:
    return " / ".join(f"{ms:.2f}" for ms in _of(request, streams, flag))


def _mean(request: str, streams: int) -> float:
    return float(np.mean(_of(request, streams)))


def in_groups(taken: Iterable[float]) -> int:
    """Into how many runs of neighbours these slots fall."""
    ordered = sorted(taken)
    return bool(ordered) + sum(b != a + 1 for a, b in pairwise(ordered))


def neighbours() -> tuple[Any, Any, Any]:
    """Of each request: streams and groups of neighbouring slots at work, on average while it decoded; ms a token."""
    found, told = slots(), []
    for each in found:
        begin, end = each["ended_s"] - each["decode_s"], each["ended_s"]
        beside = [other for other in found if other["begun_s"] < end and other["ended_s"] > begin]
        times = sorted({begin, end, *(t for o in beside for t in (o["begun_s"], o["ended_s"]) if begin < t < end)})
        active = groups = 0.0
        for start, stop in pairwise(times):
            taken = [o["slot"] for o in beside if o["begun_s"] < (start + stop) / 2 < o["ended_s"]]
            active += (stop - start) * len(taken)
            groups += (stop - start) * in_groups(taken)
        took = each["decode_s"]
        told.append((active / took, groups / took, 1e3 * took / (each["output_tokens"] - 1)))
    active_all, groups_all, ms = np.array(told).T
    return active_all, groups_all, ms


def streams() -> str:
    """What a token of many streams takes by how their slots lie."""
    active, groups, ms = neighbours()
    lines = []
    for count in (2, 4, 8, 16, 32):
        near = np.abs(active - count) < max(0.3, count * 0.12)
        for lie in sorted(set(np.round(groups[near]).tolist())):
            at = near & (np.round(groups) == lie)
            lines.append(
                (str(count), f"{lie:.0f}", str(at.sum()), *(f"{of(ms[at]):.1f}" for of in (np.mean, np.median)))
            )
    heading = ("streams at work", "groups of neighbouring slots", "requests", "ms a token, mean", "median")
    (alone,), share_alone = _explained(ms, active)
    (stream, group), share_both = _explained(ms, active, groups)
    name = examples()[0].name
    one, eight = (first()[name, f"streams, {n}", "", "output_tps"].measured.point for n in ("1 stream", "8 streams"))
    said = (
        f"""In the first run eight streams together gave {eight / one:.1f} times what one did. Part of that is the
        sampling above; another is where the streams lie. The server has 32 slots, each with a cache of its own. Where
        the slots at work are not neighbours, it answers a batch in several passes (llama.cpp b11434: `split_equal`
        takes sequences whose numbers follow each other), and each pass reads all weights.""",
        f"""In the {len(ms)} requests of its log, {alone:.2f} ms a stream explain {share(share_alone)} of the variance
        of a token's time; **{stream:.2f} ms a stream and {group:.1f} ms a group** explain {share(share_both)}, and
        {examples()[0].seconds() * 1e3:.1f} ms is what a token of a single stream takes. Of 32
        streams nearly all are neighbours, and there it shows no
        difference. This was seen in one run, with a cause in the source; it is no experiment.""",
        f"""With eight streams in eight slots, none of them free, a step took {_mean(DEFAULT, 8):.0f} ms above, where
        the run's took {8e3 / eight:.0f}. But there all prompts were read before the first token, and here one stream's
        prompt delays the others' tokens. As many slots as streams, or `--kv-unified`, should avoid the groups: that was
        not measured.""",
    )
    return "\n\n".join((table(heading, lines), *map(prose, said)))


def _explained(ms: Any, *by: Any) -> tuple[list[float], float]:
    """Least squares without a constant: the factors, and the share of the variance that they explain."""
    factors, left, *_ = np.linalg.lstsq(np.column_stack(by), ms, rcond=None)
    return factors.tolist(), 1 - float(left[0]) / float(((ms - ms.mean()) ** 2).sum())


def prefill() -> str:
    """Time of a prompt as a part whatever its length and a part per token; the planner before and after."""
    lines = []
    for example in examples():
        cells = [example.cell(TALK), example.cell(PROMPT)]
        counts = [int(cell.opened.workload.prompt_tokens or 0) for cell in cells]
        short, long = (count / rate(cell, "prefill_tps") for count, cell in zip(counts, cells, strict=True))
        each = (long - short) / (counts[1] - counts[0])
        errors = []
        for workload, count, seconds in zip((TALK, PROMPT), counts, (short, long), strict=True):
            layers = "all" if example is examples()[-1] else ""
            before = first()[example.name, workload, layers, "prefill_tps"].predicted
            assert before is not None
            planned = (before[1], _prefill_now(example, count))
            errors += [share(predicted * seconds / count - 1, signed=True) for predicted in planned]
        times = (short, long, short - counts[0] * each)
        lines.append((example.name, *(f"{time * 1e3:.1f}" for time in times), f"{1 / each:,.0f}", *errors))
    heading = ("model", "76 tokens, ms", "512 tokens, ms", "whatever the length, ms", "beyond it, tok/s",
               "error at 76: before", "now", "at 512: before", "now")  # fmt: skip
    said = """A line through two points of each model: a prompt costs one to two steps of decode whatever its length,
    and the planner had next to nothing for that. What is general in it is that each batch reads all weights once. That
    follows from the shapes and takes no fitted number, and with it [the misses on published rows](prediction.md) of
    chips left out fell too. So the planner has it now. What is left is a rate of prefill that it puts too high for
    this card; the published rows gave no reason to change that."""
    return table(heading, lines) + "\n\n" + prose(said)


def _prefill_now(example: Example, tokens: int) -> float:
    placed = Placement(devices=machine().devices, host=machine().host)
    return prefill_tps(work(*example.shape()), placed, tokens).point


def split() -> str:
    """What the host must have read and sent, at least, in the split."""
    cells = {cell.opened.subject.text.rpartition(" ")[2]: cell for cell in read(SPLIT_FILE).cells}
    whole, said = cells.pop("all"), []
    for cell in cells.values():
        # What the processor holds even with all layers on the GPU is looked up, not read.
        left = on_gpu(whole, "weights") - on_gpu(cell, "weights")
        decoded, settings, predicted = rate(cell), cell.opened.subject.settings, cell.opened.predicted
        assert predicted is not None
        allowed = left / (1 / predicted.limit_tps - on_gpu(cell, "weights") / machine().devices[0].bandwidth_bytes_s)
        sent = left * rate(cell, "prefill_tps") / int(cell.opened.workload.prompt_tokens or 0)
        said.append(
            f"""With {settings["layers_on_gpu"]} of {settings["layers"]} layers on the GPU the processor reads
            {left / 1e9:.1f} GB a token: at {decoded:.2f} tokens a second at least {left * decoded / 1e9:.0f} of the
            {allowed / 1e9:.0f} GB/s that the limit leaves it. Were all of these weights sent over PCIe for the prompt,
            that would be at {number(sent / 1e9, 2)} GB/s, {share(sent / PCIE_BYTES_S)} of what the planner assumes."""
        )
    before = first()[examples()[-1].name, SPLIT, "40", "decode_tps"]
    assert before.predicted is not None
    now = {layers: _decode_now(cell) for layers, cell in cells.items()}
    told = " and ".join(
        f"{number(tps)} with {layers} ({share(tps / rate(cells[layers]) - 1, signed=True)})"
        for layers, tps in now.items()
    )
    said.append(
        f"""The planner took the share of its memory's *peak* that a processor reaches in published rows, and reckoned
        the host by that. But here its memory had been measured, and what is measured is sustained already: the share
        was taken twice. That is general, so the planner now takes a measured bandwidth as it is, and would have said
        {told}. In
        the first run, with the bandwidth assumed, 40 layers were predicted at {number(before.predicted[1])} and
        measured at {number(before.measured.point)}. The prompt's rate is left as it is: llama.cpp maps the file, and
        what is mapped is not pinned, so that the driver copies it more slowly over PCIe. Whether that is why was not
        tested."""
    )
    return "\n\n".join(map(prose, said))


def _decode_now(cell: CellSummary) -> float:
    """The planner as it is now, for a host whose memory was measured."""
    told, layers = record("host.json"), int(cell.opened.subject.text.rpartition(" ")[2])
    host = HostMemory(
        memory_bytes=machine().host.memory_bytes,
        bandwidth_bytes_s=told["bandwidth_gb_s"] * 1e9,
        described="measured",
        measured=True,
        flops=told["tflops"] * 1e12,
        cores=told["cores"],
    )
    asked = work(*examples()[-1].shape())
    return decode_tps(asked, Placement(devices=machine().devices, host=host, gpu_layers=layers), depth=144).point
