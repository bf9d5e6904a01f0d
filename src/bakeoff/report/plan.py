"""A plan as a screen, and as the one object that ``--json`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from bakeoff.hardware.machine import Machine
from bakeoff.planning.choice import Needs
from bakeoff.planning.rows import Asked, Row, choices
from bakeoff.results.records import Figure
from bakeoff.units import GIB, plain_text, seconds_text, significant

SCHEMA = 1
GB = 1e9
_STYLES = {"yes": "green", "yes_if": "yellow", "tight": "yellow", "split": "magenta", "no": "red"}
MANY_NOTES = 8
SIDE_BY_SIDE = 3


class MachinePlan(Struct, frozen=True, kw_only=True):
    """One machine and its rows; its price in words where a budget was given."""

    machine: Machine
    rows: Sequence[Row]
    price: str = ""


def plan_document(plans: Sequence[MachinePlan]) -> dict[str, Any]:
    """Bytes, seconds, tokens per second; figures with their 80 % interval."""
    return {"schema": SCHEMA, "rows": [_row(row) for plan in plans for row in plan.rows]}


def _row(row: Row) -> dict[str, Any]:
    fit, speed = row.fit, row.speed
    return {
        "hardware": row.hardware,
        "model": row.model,
        "quant": row.quant,
        "context": row.context,
        "fits": fit.fits,
        "condition": fit.condition,
        "weights_bytes": fit.weights_bytes,
        "file_bytes": row.file_bytes,
        "kv_bytes": fit.kv_bytes,
        "buffer_bytes": fit.buffer_bytes,
        "runtime_bytes": fit.runtime_bytes,
        "total_bytes": fit.total_bytes,
        "usable_bytes": fit.usable_bytes,
        "max_context": fit.max_context,
        "gpu_layers": fit.gpu_layers,
        "decode_tps": msgspec.to_builtins(speed.decode),
        "decode_tps_at_context": msgspec.to_builtins(speed.decode_at_context),
        "prefill_tps": msgspec.to_builtins(speed.prefill),
        "ttft_s": msgspec.to_builtins(speed.ttft),
        "bandwidth_limit_tps": speed.limit_tps,
        "from_measurements": row.measurements,
        "recommended": row.recommended,
        "reason": row.reason,
    }


def print_plan(plans: Sequence[MachinePlan], asked: Asked, needs: Needs, console: Console) -> None:
    """Write the whole screen: one machine in full, several side by side."""
    if len(plans) == 1 and not plans[0].price:
        body = _in_full(plans[0], needs)
    elif len(plans) <= SIDE_BY_SIDE and not plans[0].price:
        body = _side_by_side(plans, needs)
    else:
        body = _ranked(plans, needs)
    console.print(Group(_heading(asked), *body, *_notes(plans)))


def _heading(asked: Asked) -> Text:
    streams = f" · {asked.streams} streams" if asked.streams > 1 else ""
    cache = "" if asked.kv_type.upper() == "F16" else f" · cache in {asked.kv_type.upper()}"
    return Text(
        f"Context {asked.context:,} tokens · {asked.engine}{streams}{cache} · predicted, with 80 % intervals", "dim"
    )


def _in_full(plan: MachinePlan, needs: Needs) -> Iterator[RenderableType]:
    yield Text(machine_line(plan.machine), "bold")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for head in ("", "\nfits"):
        table.add_column(head, no_wrap=True)
    for head in ("GB: weights\n+ cache + rest", "up to\ntokens", "\ntokens/s", "prompt\ntokens/s", "first\ntoken"):
        table.add_column(head, justify="right", no_wrap=True)
    model = ""
    for row in plan.rows:
        if row.model != model:
            model = row.model
            table.add_row(Text(plain_text(model), "bold cyan", overflow="ignore"))
        mark = "→" if row.recommended else " "
        table.add_row(
            f"{mark} {plain_text(row.quant)}",
            Text(fits_text(row), _STYLES[row.fit.fits]),
            memory_text(row),
            context_text(row.fit.max_context),
            interval_text(row.speed.decode),
            range_text(row.speed.prefill),
            wait_text(row.speed.ttft.point),
        )
    yield table
    yield Text()
    yield from _choices(plan, needs)


def _ranked(plans: Sequence[MachinePlan], needs: Needs) -> Iterator[RenderableType]:
    """For each model the machines that do, the cheapest first, else the fastest; then those that do not."""
    for name in dict.fromkeys(row.model for row in plans[0].rows):
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column(Text(plain_text(name), "bold cyan"), no_wrap=True)
        for head in ("take", "fits"):
            table.add_column(head, no_wrap=True)
        for head in ("tokens/s", "longest context"):
            table.add_column(head, justify="right", no_wrap=True)
        taken = [(plan, row) for plan in plans for row in plan.rows if row.model == name and row.recommended]
        if not plans[0].price:
            taken.sort(key=lambda pair: -pair[1].likely_tps)
        for plan, row in taken:
            table.add_row(
                plain_text(plan.price or plan.machine.name),
                plain_text(row.quant),
                Text(fits_text(row), _STYLES[row.fit.fits]),
                interval_text(row.speed.decode),
                context_text(row.fit.max_context),
            )
        yield table
        yield from _best(name, taken, needs)
        without = [plan.price or plan.machine.name for plan in plans if plan not in [plan for plan, _ in taken]]
        if without:
            yield Text(f"✗ Not at {needs.tps:g} tokens/s: {plain_text('; '.join(without))}.\n", "dim")


def _best(name: str, taken: Sequence[tuple[MachinePlan, Row]], needs: Needs) -> Iterator[RenderableType]:
    """The sentence that answers: which hardware?"""
    fast = [(plan, row) for plan, row in taken if row.likely_tps >= needs.tps]
    if not fast:
        return
    fastest = max(fast, key=lambda pair: pair[1].likely_tps)
    cheapest = fast[0]
    words = f"→ {plain_text(name)}: "
    if cheapest[0].price:
        words += f"the cheapest that keeps {needs.tps:g} tokens/s is {plain_text(cheapest[0].price)}; "
    label = plain_text(fastest[0].price or fastest[0].machine.name)
    words += f"the fastest is {label}, at about {significant(fastest[1].likely_tps, 2)} tokens/s."
    yield Text(words)


def _choices(plan: MachinePlan, needs: Needs) -> Iterator[RenderableType]:
    for name, row, reason in choices(plan.rows, needs):
        yield _advice(name, row, reason)
        if row is not None and row.fit.fits == "yes_if":
            yield Text(f"  {plain_text(row.fit.condition)}", "yellow")
    shown = {row.fit.condition for _, row, _ in choices(plan.rows, needs) if row is not None}
    for row in plan.rows:
        if row.fit.fits == "yes_if" and row.fit.condition not in shown:
            shown.add(row.fit.condition)
            name = f"{plain_text(row.model)} at {plain_text(row.quant)}"
            yield Text(f"! {name} fits {plain_text(row.fit.condition)}", "yellow")


def _side_by_side(plans: Sequence[MachinePlan], needs: Needs) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("tokens/s", no_wrap=True, header_style="dim")
    for plan in plans:
        table.add_column(plain_text(plan.machine.name) + (f"\n{plan.price}" if plan.price else ""))
    model = ""
    for rows in zip(*(plan.rows for plan in plans), strict=True):
        if rows[0].model != model:
            model = rows[0].model
            table.add_row(Text(plain_text(model), "bold cyan"))
        cells = [
            Text(f"{'→' if row.recommended else ' '} {fits_text(row)}, ", _STYLES[row.fit.fits])
            + Text(interval_text(row.speed.decode), "default")
            for row in rows
        ]
        table.add_row(f"  {plain_text(rows[0].quant)}", *cells)
    yield table
    for plan in plans:
        yield Text(f"\n{machine_line(plan.machine)}", "bold")
        yield from _choices(plan, needs)


def _advice(model: str, row: Row | None, reason: str) -> Text:
    name = plain_text(model)
    if row is None:
        return Text(f"✗ {name}: {plain_text(reason)}.", "dim")
    return Text("→ ", "green") + Text(f"{name} at {plain_text(row.quant)}: {plain_text(reason)}.", "default")


def _notes(plans: Sequence[MachinePlan]) -> Iterator[RenderableType]:
    notes = dict.fromkeys(
        note
        for plan in plans
        for note in (*plan.machine.notes, *(note for row in plan.rows for note in row.speed.notes))
    )
    yield Text()
    for note in list(notes)[:MANY_NOTES]:
        yield Text(f"· {plain_text(note)}", "dim")
    for plan in plans:
        measured = max((row.measurements for row in plan.rows), default=0)
        if measured:
            count = f"{measured} of them" if measured > 1 else "one so far"
            yield Text(f"· {plain_text(plan.machine.name)}: speeds are from your measurements ({count}).", "dim")


def machine_line(machine: Machine) -> str:
    """The machine in one line: what computes, how much memory, how fast."""
    name = "This machine: " if machine.is_this else ""
    if not machine.devices:
        return f"{name}{plain_text(machine.name)} · {plain_text(machine.host.described)}"
    device = machine.devices[0]
    count = f"{len(machine.devices)} × " if len(machine.devices) > 1 else ""
    size = f"{device.memory_bytes / GIB:.0f} GB"
    speed = f"{count}{size} at {device.bandwidth_bytes_s / GB:,.0f} GB/s"
    return f"{name}{plain_text(machine.name)} · {speed}"


def fits_text(row: Row) -> str:
    """The verdict in a word or three."""
    fit = row.fit
    if fit.fits == "yes_if":
        return "yes, if"
    if fit.fits == "split":
        return f"split {fit.gpu_layers}/{row.layers}"
    return fit.fits


def memory_text(row: Row) -> str:
    """The sum and its parts in GB."""
    fit = row.fit
    rest = fit.total_bytes - fit.weights_bytes - fit.kv_bytes
    places = 0 if fit.total_bytes >= 100 * GB else 1
    total, *parts = (f"{part / GB:.{places}f}" for part in (fit.total_bytes, fit.weights_bytes, fit.kv_bytes, rest))
    return f"{total} = {'+'.join(parts)}"


def context_text(tokens: int) -> str:
    """A context length: ``131k``, ``2,048``; ``–`` for none."""
    if tokens <= 0:
        return "–"
    return f"{tokens // 1024}k" if tokens >= 10_000 else f"{tokens:,}"


def interval_text(figure: Figure) -> str:
    """A predicted figure: ``128 (115–142)``, two or three digits, as many as a prediction earns."""
    if figure.low is None or figure.high is None:
        return significant(figure.point)
    return f"{_short(figure.point)} ({range_text(figure)})"


def range_text(figure: Figure) -> str:
    """A predicted figure's interval alone: ``11–66``."""
    if figure.low is None or figure.high is None:
        return significant(figure.point)
    return f"{_bound(figure.low)}–{_bound(figure.high)}"


def wait_text(seconds: float) -> str:
    """A time to wait, short: ``70 ms``, ``19 s``, ``12 min``, ``3 h``."""
    for unit, scale in (("h", 3600), ("min", 60)):
        if seconds >= 2 * scale:
            return f"{seconds / scale:.0f} {unit}"
    return seconds_text(seconds, 2)


def _bound(value: float) -> str:
    return significant(value, 1) if value < 0.95 else _short(value)


def _short(value: float) -> str:
    if value >= 1000:
        return f"{significant(value / 1000, 2)}k"
    return significant(value, 2 if value < 100 else 3)
