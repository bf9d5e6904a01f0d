"""What hardware is, by the catalogue and its sources; what it costs and draws, as far as others say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from msgspec import structs

from bakeoff.analysis.claims.claim import Claim
from bakeoff.analysis.claims.published import TOLERANCE
from bakeoff.analysis.claims.quantity import Quantity, parse_quantity
from bakeoff.analysis.claims.subject import engine_of, machine_of
from bakeoff.analysis.claims.verdict import Evidence, Given, Verdict, exact
from bakeoff.hardware.chips import Chip, known_as
from bakeoff.hardware.machine import Machine
from bakeoff.hardware.prices import prices
from bakeoff.models.catalogue import find
from bakeoff.planning.budget import device_pools
from bakeoff.units import GIB, bytes_text

VENDORS_ROUND = 0.03
"""Vendors round their bandwidth (Apple's 400 GB/s is 409.6): within this it is the same."""
PRICE_MONTHS = 6
STALE = ", too far from the claim's date to decide"
CIRCULAR = "article comparing"
"""Prices whose source is the first file of claims: no evidence for it."""


def bandwidth(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """Peak bandwidth of the first device."""
    machine, chip = _chip(claim)
    speed = machine.devices[0].bandwidth_bytes_s if machine.devices else machine.host.bandwidth_bytes_s
    near = claimed.least * (1 - VENDORS_ROUND) <= speed <= claimed.most * (1 + VENDORS_ROUND)
    yield Evidence(
        source="published",
        words=f"the {machine.name} has {claimed.shown(speed, 4)}{_remark(chip)}",
        verdict="holds" if near else "does_not_hold",
        point=speed,
        reference=_reference(chip),
    )


def memory_size(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """Memory as it is sold, in GB of 2^30 bytes."""
    machine, chip = _chip(claim)
    sizes = list(chip.memory_gb) if chip and chip.memory_gb else [machine.host.memory_bytes // GIB]
    listed = " or ".join(map(str, sizes))
    yield Evidence(
        source="published",
        words=f"the {chip.name if chip else machine.name} has {listed} GB",
        verdict="holds" if any(_sold(claimed, size * GIB) for size in sizes) else "does_not_hold",
        point=float(sizes[0] * GIB),
        reference=_reference(chip),
    )


def gpu_memory(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """What the system lets the GPU have by default, and how far that can be raised."""
    machine = machine_of(claim)
    pools = device_pools(machine, engine_of(claim))
    if not pools:
        yield Evidence(source="published", words=f"the {machine.name} has no GPU", verdict="does_not_hold")
        return
    pool = pools[0]
    words = f"of {pool.memory_bytes / GIB:.0f} GB the GPU may use {pool.usable_bytes / GIB:.1f} by default"
    if pool.raisable_bytes > pool.usable_bytes:
        words += (
            f", and {pool.raisable_bytes / GIB:.1f} at most where its limit is raised and the system keeps the rest"
        )
    yield Evidence(
        source="published",
        words=f"{words} ({bytes_text(pool.usable_bytes)})",
        verdict="holds" if _sold(claimed, pool.usable_bytes) else "does_not_hold",
        point=pool.usable_bytes,
        high=pool.raisable_bytes,
        reference="load logs of llama.cpp and others, in bakeoff/planning/budget.py",
    )


def _sold(claimed: Quantity, size: float) -> bool:
    """Whether a claim means that many bytes, a GB being 2^30 of them as memory is sold."""
    return claimed.covers(size * claimed.scale / GIB if claimed.unit == "GB" else size)


def gpu_cores(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """GPU cores of a chip that is sold with several numbers of them: the memory size says which."""
    machine, chip = _chip(claim)
    if chip is None or chip.cores is None:
        yield Evidence(source="published", words=f"the catalogue does not tell the cores of the {machine.name}")
        return
    yield exact(
        claimed,
        chip.cores,
        f"with {machine.devices[0].memory_bytes / GIB:.0f} GB it is the {chip.name}: {chip.cores} GPU cores",
        source="published",
        reference=_reference(chip),
    )


_SCOPES = {
    None: "an unnamed scope", "gpu": "the GPU", "package": "the package", "soc": "the chip", "system": "the system",
    "wall": "the whole system, at the wall",
}  # fmt: skip


def power(claim: Claim, claimed: Quantity) -> Iterator[Evidence]:
    """What the chip's own limit makes of it; only a meter could tell more."""
    machine, chip = _chip(claim)
    limit = machine.devices[0].tdp_w if machine.devices else None
    if limit is None:
        yield Evidence(source="published", words=f"no power limit of the {machine.name} is known",
                       reference=_reference(chip))  # fmt: skip
        return
    above = claim.scope == "gpu" and claimed.least > limit
    verdict: Verdict | None = "impossible" if above else None
    yield Evidence(
        source="arithmetic" if above else "published",
        words=f"the {machine.name} may draw {limit:.0f} W by itself; the claim is of {_SCOPES[claim.scope]}",
        verdict=verdict,
        high=limit,
        reference=_reference(chip),
    )


def price(claim: Claim, claimed: Quantity, date: str) -> Iterator[Evidence]:
    """The catalogue's price of the hardware, unless it is the claim's own; of the claims' half-year it decides."""
    if claim.hardware is None or claimed.dimension != "money":
        return
    wanted = machine_of(claim).name
    for known in prices():
        if machine_of(claim, known.hardware).name != wanted or CIRCULAR in known.source:
            continue
        stale = _months_apart(known.date or "", date) > PRICE_MONTHS
        found = exact(claimed, known.usd, f"{known.described}: {known.source}{STALE if stale else ''}",
                      source="published", reference=f"{known.source} ({known.date or 'no date'})")  # fmt: skip
        yield structs.replace(found, verdict=None) if stale else found


def references(claim: Claim, claimed: Quantity | None, date: str) -> Iterator[Evidence]:
    """What other publications, named in the file of claims, say of the same thing.

    A price decides only where it is of the same half-year as the claims.
    """
    for each in claim.references:
        value = parse_quantity(each.value)
        words = f"{each.source} ({each.date}): {each.value}"
        if claimed is None or value.dimension != claimed.dimension:
            yield Evidence(source="published", words=words, reference=each.source)
            continue
        slack = TOLERANCE if claim.metric in ("decode", "prefill", "ttft") else 0.0
        near = claimed.least * (1 - slack) <= value.most and value.least <= claimed.most * (1 + slack)
        stale = claim.metric == "price" and _months_apart(each.date, date) > PRICE_MONTHS
        yield Evidence(
            source="published",
            words=words + (STALE if stale else ""),
            verdict=None if stale else "holds" if near else "does_not_hold",
            low=value.low * value.scale,
            high=value.high * value.scale,
            reference=f"{each.source} ({each.date})",
        )


def _months_apart(a: str, b: str) -> float:
    """Months between the first year and month that each date names; without one infinitely many."""
    found = [re.search(r"(\d{4})-(\d{2})", text) for text in (a, b)]
    months = [int(match[1]) * 12 + int(match[2]) for match in found if match]
    return abs(months[0] - months[1]) if len(months) == 2 else math.inf


def licence(claim: Claim) -> Iterator[Evidence]:
    """The licence by the model's own page."""
    assert claim.model is not None
    arch = find(claim.model)
    known = arch.licence
    yield Evidence(
        source="published",
        words=f"{arch.name}: {known}",
        verdict="holds" if known.lower() == claim.claimed.strip().lower() else "does_not_hold",
        given=(Given(name="licence", value=known, source=arch.source),),
        reference=arch.source,
    )


def _chip(claim: Claim) -> tuple[Machine, Chip | None]:
    machine = machine_of(claim)
    name = machine.devices[0].chip if machine.devices else machine.name
    return machine, next((chip for chip in known_as(name) if chip.name == name), None)


def _reference(chip: Chip | None) -> str:
    return f"{chip.source} ({chip.date})" if chip else ""


def _remark(chip: Chip | None) -> str:
    return f" ({chip.remark})" if chip and chip.remark else ""
