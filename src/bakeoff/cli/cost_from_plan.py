"""Numbers of a sum that are predicted, and the price of the hardware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from bakeoff.economics.currency import Money
from bakeoff.economics.inputs import Input
from bakeoff.economics.ranges import as_range, exactly
from bakeoff.errors import UsageError
from bakeoff.hardware.dated import Dated, specifications

if TYPE_CHECKING:
    from bakeoff.cli.cost_inputs import Purse
    from bakeoff.hardware.machine import Machine
    from bakeoff.planning.rows import Row

CONTEXT = 4096
"""Tokens that a plan is made for where the load does not ask for more."""


class Planned(Struct, frozen=True, kw_only=True):
    """What was found, what is dated of it, and what the reader must know."""

    case: Mapping[str, Input]
    dated: list[Dated]
    notes: list[str]


def from_plan(
    model: str | None, on: str | None, hardware: str | None, case: Mapping[str, Input], purse: Purse
) -> Planned:
    """Rates of ``model`` on the machine ``on``, else on this one; the price of ``hardware``. Raises UsageError."""
    found, notes, dated = dict[str, Input](), list[str](), list[Dated]()
    machine = _machine(on) if model or on else None
    if model and machine:
        row, speed_notes = _row(model, machine, case)
        name = f"{row.model} at {row.quant} on {machine.name}"
        split = not machine.devices or row.fit.gpu_layers < row.layers
        found["tps"] = Input(value=as_range(row.speed.decode_at_context), source=f"predicted: {name}")
        found["prefill_tps"] = Input(value=as_range(row.speed.prefill), source=f"predicted: {name}")
        notes += [note.partition(" --host-memory")[0] for note in machine.notes if split or not _of_host(note)]
        notes += speed_notes
        dated += specifications(machine)
    if "hardware_price" not in case:
        found |= _price([name for name in (on, hardware, machine.name if machine else None) if name], purse, notes)
    if "watts" not in case and machine and machine.devices and machine.devices[0].tdp_w:
        device = machine.devices[0]
        notes.append(f"Watts are not predicted. {device.chip} alone draws at most {device.tdp_w:g} W by its rating.")
    return Planned(case=found, dated=dated, notes=notes)


def _of_host(note: str) -> bool:
    """Whether a machine's note is of the processor's memory, which matters where the processor computes."""
    return note.startswith("Host:")


def _machine(on: str | None) -> Machine:
    from bakeoff.hardware.catalogue import find_machine
    from bakeoff.hardware.detect import this_machine

    return find_machine(on) if on else this_machine()


def _row(model: str, machine: Machine, case: Mapping[str, Input]) -> tuple[Row, tuple[str, ...]]:
    """The model at its quantization, or at the one that the plan recommends; its speed at the answer's middle."""
    from bakeoff.cli.history import learned_here
    from bakeoff.cli.plan import QUANTS
    from bakeoff.hardware.host import this_host
    from bakeoff.planning.choice import INTERACTIVE_TPS, Needs
    from bakeoff.planning.rows import Asked, plan
    from bakeoff.planning.sources import sources_of

    into, out = (case[name].value.high if name in case else 0.0 for name in ("tokens_in", "tokens_out"))
    context = max(CONTEXT, round(into + out))
    sources, needs = sources_of(model, QUANTS), Needs(tps=INTERACTIVE_TPS, context=context)
    learned = learned_here(this_host()) if machine.is_this else {}
    rows = plan(machine, sources, Asked(context=context), needs, learned)
    taken = [n for n, row in enumerate(rows) if row.recommended] if len(rows) > 1 else [0]
    if not taken:
        raise UsageError(f"{rows[0].model} on {machine.name}: {rows[0].reason}. Name a quantization: MODEL@QUANT.")
    row = rows[taken[0]]
    if row.fits == "no":
        raise UsageError(
            f"{row.model} at {row.quant} does not fit {machine.name} with {context:,} tokens of context: it needs "
            f"{row.fit.total_bytes / 1e9:.1f} GB of {row.fit.usable_bytes / 1e9:.1f}. See 'bakeoff plan'."
        )
    middle = round(into + out / 2) or 1
    (row,) = plan(machine, [sources[taken[0]]], Asked(context=middle), needs, learned)
    return row, row.speed.notes


def _price(names: list[str], purse: Purse, notes: list[str]) -> dict[str, Input]:
    from bakeoff.hardware.prices import price_of

    price = next((found for name in names if (found := price_of(name)) is not None), None)
    if price is None:
        return {}
    if price.assumed:
        notes.append(
            f"The price of {price.hardware} has {price.currency} {price.assumed:,.0f} in it for the computer around "
            "the GPU, assumed. --hardware-price says otherwise."
        )
    money = Money(exactly(price.amount), price.currency)
    source = f"{price.hardware}: {price.source}"
    return {"hardware_price": purse.paid(money, f"The price of {price.hardware}", source, price.date)}
