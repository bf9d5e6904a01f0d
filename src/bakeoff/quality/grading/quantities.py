"""The numbers of a statement in plain characters, each with its unit.

How a number is read, where there is a choice:

* ``1,200`` is 1200 and ``1.200`` is 1.2, as in English; ``1.200,0``, ``1,200.0``, ``1.200.000`` and ``1 200`` can be
  read in one way only; ``12,5`` and ``0,125`` are decimal commas.
* ``3/4`` and ``300/4`` are fractions; ``2 1/2`` is two and a half.
* ``1.2e3``, ``1.2 × 10^3``, ``10^3``, ``2^10``, ``1.2 million`` and ``3 dozen`` are what they say.
* ``2 hours 30 minutes`` is one quantity, of a time, a length or a mass in falling units.

Dates, times of day, version numbers, numbers within names (``x1``, ``GPT-4``), ordinals and list marks are no numbers.
"""

from __future__ import annotations

import re
from fractions import Fraction

from msgspec import Struct

from bakeoff.quality.grading.measures import Unit, unit_at
from bakeoff.quality.grading.plain import THIN

MOST_DIGITS = 60


class Quantity(Struct, frozen=True, kw_only=True):
    """A number with its unit, where it stands in the text, and how far it was rounded.

    ``step`` is the unit in its last place (0: exact, a fraction); ``digits`` its significant digits; ``cut`` says
    that an ellipsis follows, so that it is cut off rather than rounded. ``dollar``: it has no unit but a ``$`` before
    it, which may be of LaTeX.
    """

    value: Fraction
    start: int
    end: int
    unit: Unit | None = None
    step: Fraction = Fraction(0)
    digits: int = 0
    cut: bool = False
    dollar: bool = False


_NUMERAL = re.compile(
    r"(?<![A-Za-z_\d.^])(?<![A-Za-z^][-'])"
    rf"(?:\d[\d.,_'{THIN}]*(?:\x20\d{{3}}(?![\d/])[\d.,]*)*|\.\d+)"
)
_EXPONENT = re.compile(r"[eE]([-+]?\d{1,3})(?![\w.])|\s?[×x*]\s?10\s?(?:\^|\*\*)\s?[({]?\s?([-+]?\d{1,3})[)}]?")
_POWER = re.compile(r"\s?(?:\^|\*\*)\s?\(?(-?\d{1,3})\)?(?![\w.])")
_OVER = re.compile(r"\s?/\s?(\d{1,18})(?![\d.,]*\d)(?!\s?/)")
_MIXED = re.compile(r"\s?(?:and|&)?\s(\d{1,6})\s?/\s?(\d{1,6})(?![\d/])")
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b", re.IGNORECASE)
_CUT = re.compile(r"\s?(?:…|\.\.\.?)")
_SCALES = {
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
    "万": 10**4,
    "亿": 10**8,
}
_SCALE = re.compile(r"[\s-]?(?:(thousand|million|billion|trillion|dozen)\b|([万亿]))", re.IGNORECASE)
_COUNTED = re.compile(
    r"(?:step|part|question|problem|equation|case|example|option|method|approach|figure|chapter|line|trial|try)\s?\(?$",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"\d{1,2}[.)]\s(?=.*\d)")
_SIGN = re.compile(r"(?:^|[=(\[{,:;<>≈~$€£|*]|[A-Za-z.一-鿿]\s)\s?[-–][$€£]?$|=\s?-\s$")
_DATE_AFTER = re.compile(r"[/-]\d{1,4}[/-]\d")
_OVER_ZERO = re.compile(r"\s?/\s?0+(?![\d.])")
_DATE_BEFORE = re.compile(r"\d[/-]\d{1,4}[/-]$")
_MONEY = re.compile(r"(?:US|A|C)?[$]$|[€£¥₹]$")
_PER_BEFORE = re.compile(r"每(小时|分钟|秒|天)\D{0,4}$")


def quantities(text: str) -> list[Quantity]:
    """All quantities of plain text in order, compound ones as one."""
    found: list[Quantity] = []
    position = 0
    for match in _NUMERAL.finditer(text):
        if match.start() < position:
            continue
        quantity = _quantity(text, match)
        if quantity is None:
            continue
        position = quantity.end
        if found and _continues(text, found[-1], quantity):
            found[-1] = _joined(found[-1], quantity)
        else:
            found.append(quantity)
    return found


def numeral(run: str) -> tuple[Fraction, int, int] | None:
    """A run of digits and marks as its value, its decimals and its significant digits; None where it is no number."""
    run = run.rstrip(".,_'" + THIN + " ")
    if sum(map(str.isdigit, run)) > MOST_DIGITS:
        return None
    integer, mark, decimals = run, "", ""
    if "." in run and "," in run:
        mark = max(".,", key=run.rfind)
    elif run.count(".") == 1:
        mark = "."
    elif run.count(",") == 1 and not re.fullmatch(r"[1-9]\d{0,2},\d{3}", run):
        mark = ","
    if mark:
        if run.count(mark) > 1:
            return None
        integer, _, decimals = run.partition(mark)
    whole = _ungrouped(integer)
    if whole is None or not re.fullmatch(r"\d*", decimals):
        return None
    digits = len((whole + decimals).lstrip("0")) or 1
    return Fraction(int(whole + decimals or "0"), 10 ** len(decimals)), len(decimals), digits


def _ungrouped(whole: str) -> str | None:
    """The digits of a whole number, its groups of three (or India's of two) closed up; None where they are not so."""
    if re.fullmatch(r"\d*", whole):
        return whole
    if re.fullmatch(rf"\d{{1,3}}(?:([,._' {THIN}])\d{{3}})(?:\1\d{{3}})*", whole) or re.fullmatch(
        r"\d{1,2}(?:,\d{2})+,\d{3}", whole
    ):
        return re.sub(r"\D", "", whole)
    return None


def _quantity(text: str, match: re.Match[str]) -> Quantity | None:
    start, run = match.start(), match.group().rstrip(".,_'" + THIN + " ")
    end = start + len(run)
    before = text[max(0, start - 24) : start]
    if _is_none(text, before, start, end):
        return None
    read = numeral(run)
    if read is None:
        return None
    value, decimals, digits = read
    step = Fraction(1, 10**decimals)
    value, step, digits, end = _extended(text, value, step, digits, end)
    cut = _CUT.match(text, end)
    end = cut.end() if cut and step else end
    scale = _SCALE.match(text, end)
    if scale:
        value, step = (part * _SCALES[(scale[1] or scale[2]).lower()] for part in (value, step))
        end = scale.end()
    if _SIGN.search(before):
        value, start = -value, start - 1
    unit, dollar, end = _unit(text, before, end)
    cut_off = cut is not None and step != 0
    return Quantity(value=value, start=start, end=end, unit=unit, step=step, digits=digits, cut=cut_off, dollar=dollar)


def _is_none(text: str, before: str, start: int, end: int) -> bool:
    """Whether the numeral is no number: an ordinal, a list's mark, a step's name, or part of a date or time."""
    after = text[end : end + 8]
    if _ORDINAL.match(after) or _COUNTED.search(before) or (start == 0 and _LIST_MARK.match(text)):
        return True
    if re.match(r":\d", after) or re.search(r"\d:$", before):
        return True
    nothing = re.search(r"\d\s?/\s?$", before) and not text[start:end].strip("0")
    in_date = re.search(r"\d[/-]$", before) and re.match(r"[/-]\d", after)
    return bool(
        nothing or in_date or _DATE_AFTER.match(after) or _DATE_BEFORE.search(before) or _OVER_ZERO.match(after)
    )


def _extended(text: str, value: Fraction, step: Fraction, digits: int, end: int) -> tuple[Fraction, Fraction, int, int]:
    """The value with what follows it: an exponent, a power, a denominator, a fraction."""
    whole = step == 1
    if found := _EXPONENT.match(text, end):
        scale = Fraction(10) ** int(found[1] or found[2])
        return value * scale, step * scale, digits, found.end()
    if whole and value <= 1000 and (found := _POWER.match(text, end)) and abs(int(found[1])) <= 64 and value:
        return value ** int(found[1]), Fraction(0), digits, found.end()
    if whole and (found := _OVER.match(text, end)) and int(found[1]):
        return value / int(found[1]), Fraction(0), digits, found.end()
    if whole and (found := _MIXED.match(text, end)) and int(found[1]) < int(found[2]):
        return value + Fraction(int(found[1]), int(found[2])), Fraction(0), digits, found.end()
    return value, step, digits, end


def _unit(text: str, before: str, end: int) -> tuple[Unit | None, bool, int]:
    """The unit after a number, else the currency before it; whether that is a dollar sign; and where the unit ends."""
    closing = text[end : end + 1] == "$" and "$" in before[-2:]
    after = end + closing
    found = unit_at(text, after + (text[after : after + 1] in (" ", "-", THIN)))
    if found is not None:
        per = _PER_BEFORE.search(before)
        time = unit_at(per[1], 0) if per else None
        return (found[0].times(time[0], -1) if time else found[0]), False, found[1]
    money = _MONEY.search(before.rstrip("-–"))
    sign = unit_at(money.group()[-1], 0) if money else None
    if sign is None or closing:
        return None, False, after
    return (None, True, end) if money and money.group()[-1] == "$" else (sign[0], False, end)


def _continues(text: str, first: Quantity, second: Quantity) -> bool:
    """Whether the second goes on where the first stopped: 2 hours (and) 30 minutes."""
    if first.unit is None or second.unit is None or first.unit.dimension != second.unit.dimension:
        return False
    gap = text[first.end : second.start].strip()
    simple = first.unit.dimension in ((("time", 1),), (("length", 1),), (("mass", 1),))
    smaller = second.unit.factor < first.unit.factor and second.value * second.unit.factor < first.unit.factor
    return gap in ("", ",", "and", ", and") and simple and smaller and first.step == 1


def _joined(first: Quantity, second: Quantity) -> Quantity:
    assert first.unit is not None
    assert second.unit is not None
    ratio = second.unit.factor / first.unit.factor
    return Quantity(
        value=first.value + second.value * ratio,
        start=first.start,
        end=second.end,
        unit=first.unit,
        step=second.step * ratio,
        digits=first.digits + second.digits,
    )
