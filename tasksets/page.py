"""The page docs/tasks.md, with the counts of what was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bakeoff.quality.sets.families.registry import FAMILIES, PLAN
from tasksets.freeze import Cell

ABOUT = {
    "expression": "sums, products, exact divisions and brackets over integers",
    "equation": "a linear equation in one variable",
    "dice": "the probability of a total of several dice",
    "journey": "average speeds with and without a stop, pursuits, meetings",
    "work": "pumps, printers and workers: rates that add up, start late, or are known in pairs",
    "shopping": "change, discounts and taxes, the price before two discounts, packs within a budget",
    "riddle": "ages, coins, heads and legs, pages: two or three linear equations",
    "kinship": "what one is to another in a family",
    "liars": "seven statements about how many of the seven are true",
    "knights": "who of two, three or five tells the truth",
    "order": "who finished where in a race of four, five or seven",
    "calendar": "weekdays so many days away, how often a weekday occurs, working days between dates",
    "dates": "dates so many days away, days between dates, the end of so many working days with holidays",
    "clock": "durations over midnight, time zones, lines that leave together, a clock that is fast",
    "conversion": "one unit, a speed in an old unit, the fuel for a journey, the mass of plates",
    "flow": "tanks that fill, leak, and have a stone in them",
    "rates": "electricity bills, downloads, batteries, a solar panel",
    "program": "a Python function, run on hidden cases in the sandbox",
}

SECOND = {
    "expression": "a grammar of our own over exact fractions",
    "equation": "both sides at 0, 1 and 2",
    "dice": "counting every way to fall",
    "journey": "driving the story minute by minute",
    "work": "doing the work minute by minute, or trying every whole number",
    "shopping": "the till, item by item, in cents; or trying every price",
    "riddle": "trying every whole number: one alone fits",
    "kinship": "relations between sets of people, from the story's words",
    "liars": "supposing how many are true, which settles each statement",
    "knights": "supposing one after another, from the words, up to the first contradiction",
    "order": "placing one runner after another, from the words",
    "calendar": "a calendar of our own, day by day, with Zeller's weekdays",
    "dates": "the same calendar, day by day",
    "clock": "letting the clock run, minute by minute",
    "conversion": "by way of millimetres, milligrams, seconds and cents",
    "flow": "letting it flow, six seconds at a time, layer by layer of a millimetre",
    "rates": "joules, bits and cents, hour by hour or minute by minute",
    "program": "a second program by another algorithm, on the same inputs",
}

TEMPLATE = Path(__file__).parent / "page.md"
"""The words; «name» stands for what is filled in."""


def page(drawn: Sequence[Cell], version: str) -> str:
    """The page, in Markdown."""
    tasks = [task for cell in drawn for task in cell.drawn.tasks]
    gym = [name for name in PLAN if FAMILIES[name].source]
    filled = {
        "count": len(tasks),
        "kinds": ", ".join(dict.fromkeys(task.kind for task in tasks)),
        "table": _table(drawn),
        "dropped": _dropped(drawn),
        "gym": ", ".join(f"*{name}*" for name in gym),
        "gym_count": sum(len(cell.drawn.tasks) for cell in drawn if cell.family in gym),
        "version": version,
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(f"«{name}»", str(value))
    return text


def _table(drawn: Sequence[Cell]) -> str:
    rows = [
        "| family | kind | 1 | 2 | 3 | what | the second solution |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in PLAN:
        counts = {cell.level: len(cell.drawn.tasks) for cell in drawn if cell.family == name}
        levels = " | ".join(str(counts.get(level, "–")) for level in (1, 2, 3))
        source = ", from reasoning-gym" if FAMILIES[name].source else ""
        rows.append(f"| {name}{source} | {FAMILIES[name].kind} | {levels} | {ABOUT[name]} | {SECOND[name]} |")
    totals = (sum(len(cell.drawn.tasks) for cell in drawn if cell.level == level) for level in (1, 2, 3))
    return "\n".join([*rows, f"| all | | {' | '.join(map(str, totals))} | | |"])


def _dropped(drawn: Sequence[Cell]) -> str:
    cells = [cell for cell in drawn if cell.drawn.disagreed]
    named = ", ".join(f"{cell.drawn.disagreed} of *{cell.family}* at level {cell.level}" for cell in cells)
    return f"So were {sum(cell.drawn.disagreed for cell in cells)}: {named}." if cells else "None was."
