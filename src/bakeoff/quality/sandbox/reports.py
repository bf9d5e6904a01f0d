"""What a program's process wrote, read as outcomes; it may have written anything."""

from __future__ import annotations

import json
from typing import Any, get_args

from bakeoff.quality.sandbox.base import How, Outcome
from bakeoff.quality.sandbox.wire import decode
from bakeoff.units import plain_text

_HOWS = get_args(How)


def outcomes(written: bytes, nonce: str, count: int, absent: Outcome) -> tuple[Outcome, ...]:
    """One outcome a call: the first good report of it, else ``absent``."""
    found: dict[int, Outcome] = {}
    mark = f"{nonce} ".encode()
    for line in written.split(b"\n")[:-1]:
        report = _report(line.removeprefix(mark)) if line.startswith(mark) else None
        if report is not None:
            found.setdefault(*report)
    return tuple(found.get(index, absent) for index in range(count))


def _report(text: bytes) -> tuple[int, Outcome] | None:
    """The call's index and its outcome; None for what is no report."""
    try:
        report: Any = json.loads(text)
        index, how = report["index"], report["how"]
        error = tuple(plain_text(str(name))[:100] for name in report.get("error", ())[:10])
        note = plain_text(str(report.get("note", ""))[:300])
        value = decode(report.get("value"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError, MemoryError):
        return None
    if type(index) is not int or how not in _HOWS:
        return None
    return index, Outcome(how=how, value=value, error=error, note=note)
