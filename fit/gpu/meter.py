"""The NVIDIA meter against a load of known times: a matrix product between pauses."""

from __future__ import annotations

from typing import Any

from fit.gpu.runs import examples, record
from fit.gpu.text import NOTHING, gigabytes, number
from fit.markdown import table

Row = dict[str, Any]


def updates() -> str:
    """How often each of the driver's figures changes, and what a read of it costs."""
    told, names = record("meters.json"), {"counter": "energy counter", "instant": "power, instant",
                                          "average": "power, average of a second"}  # fmt: skip
    lines = [
        (words, f"{told[name]['gap_median_ms']:.0f}", number(told[name]["cost_ms"] * 1e3), str(told[name]["changes"]))
        for name, words in names.items()
    ]
    return table(("of the driver", "changes every, ms", "a read costs, µs", "changes seen in 2 s"), lines)


def windows() -> str:
    """Counter against integral of each window, with what the clock leaves open."""
    lines = []
    for window in record("meters.json")["windows"]:
        counter, integral = _energy(window, "trial", "hardware"), _energy(window, "trial", "integral")
        decode = _energy(window, "decode", "")
        apart = integral["value"] / counter["value"] - 1
        meet = integral["low"] <= counter["high"] and counter["low"] <= integral["high"]
        within = NOTHING if decode["value"] is None else f"{decode['value'] / decode['span_s']:.0f}"
        lines.append((
            f"{window['load_s']:.2f}", f"{counter['span_s']:.2f}", _bounds(counter), _bounds(integral),
            f"{100 * apart:+.1f} %", "yes" if meet else "no", within,
        ))  # fmt: skip
    heading = ("load, s", "window, s", "counter, J", "integral, J", "apart", "bounds meet", "watts under load")
    return table(heading, lines)


def held_back() -> str:
    """Heat and clock under the heaviest of these loads."""
    window = max(record("meters.json")["windows"], key=lambda each: float(each["load_s"]))
    found = {reading["quantity"]: reading for reading in window["readings"] if reading["phase"] == "trial"}
    power, heat, clock, held = (found[name] for name in ("power_w", "temperature_c", "clock_hz", "throttled_share"))
    return f"""In a load of {window["load_s"]:.0f} s the card drew up to {power["high"]:.0f} W, was {heat["high"]:.0f}
    °C warm, and its clock fell to {clock["low"] / 1e6:.0f} MHz: in {100 * held["value"]:.0f} % of the samples the
    driver said why ({held["detail"].partition(": ")[2]}). So the meter sees a card that holds itself back; in the runs
    above none was seen."""


def memory() -> str:
    """The driver's account of a process whose own allocations are known."""
    told = record("meters.json")
    account, torch = told["processes"][0][1], told["torch_reserved"]
    return f"""PyTorch had reserved {gigabytes(torch)} GB on the card ({gigabytes(told["torch_bytes"])} GB of it in
    tensors). The driver's account of the process was {gigabytes(account)} GB: {gigabytes(account - torch)} GB more, the
    CUDA context, the libraries' code and their working space, which no engine counts as its own. The whole card had
    {gigabytes(told["device_used"])} GB in use, of which {gigabytes(told["device_used"] - account)} GB are the driver's
    and no process's."""


def idle() -> tuple[float, float]:
    """Watts of the card before an engine came, at most of the runs; and with a process that only holds it."""
    before = [
        reading.value
        for example in examples()
        for metered in example.run.metered
        for reading in metered.idle
        if (reading.scope, reading.quantity) == ("gpu", "power_w") and reading.value is not None
    ]
    held = [reading["value"] for reading in record("meters.json")["idle"] if reading["quantity"] == "power_w"]
    return max(before), float(held[0])


def net() -> str:
    """What the choice of the idle level makes of net figures."""
    before, held = idle()
    return f"""Idle was measured before an engine started: {before:.0f} W at most. A process that holds the card and
    does nothing, seconds after a load and with the clock still up, drew {held:.0f} W. Net figures here are net of the
    first: that the card is held ready for the engine is in them. Net of the second they would be higher."""


def _energy(window: Row, phase: str, method: str) -> Row:
    return next(
        dict(reading)
        for reading in window["readings"]
        if (reading["quantity"], reading["phase"]) == ("energy_j", phase) and reading["method"].startswith(method)
    )


def _bounds(reading: Row) -> str:
    return f"{reading['value']:.0f} ({reading['low']:.0f}–{reading['high']:.0f})"
