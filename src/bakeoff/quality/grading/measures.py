"""Units by meaning: 20 m/s is 72 km/h, 72 mph is not. Factors are exact, to SI (NIST SP 811, appendix B).

A table of our own rather than pint, which takes 0.6 s to load, reads "kmph" as a kilomile per hour, and evaluates
what it is given: here, a model's text.
"""

from __future__ import annotations

import re
from fractions import Fraction

from msgspec import Struct

Dimension = tuple[tuple[str, int], ...]


class Unit(Struct, frozen=True):
    """``value × factor + offset`` is the value in SI. ``dimension``: base quantities and their exponents, by name."""

    dimension: Dimension
    factor: Fraction
    offset: Fraction = Fraction(0)

    def convert(self, value: Fraction, to: Unit) -> Fraction:
        """A value in this unit, in another one of the same dimension."""
        return (value * self.factor + self.offset - to.offset) / to.factor

    def times(self, other: Unit, exponent: int) -> Unit:
        """This unit times a power of another."""
        exponents = dict(self.dimension)
        for name, power in other.dimension:
            exponents[name] = exponents.get(name, 0) + power * exponent
        kept = tuple(sorted((name, power) for name, power in exponents.items() if power))
        return Unit(kept, self.factor * other.factor**exponent)


CURRENCIES = frozenset({"dollar", "euro", "sterling", "yuan", "rupee"})
ONE = Unit((), Fraction(1))
PERCENT = Unit((), Fraction(1, 100))

_TABLE = """
length       | 1              | m metre metres meter meters метр метра метров 米
length       | 1000           | km kilometre kilometres kilometer kilometers км километр километра километров 公里 千米
length       | 1000           | kilomètre kilomètres kilómetro kilómetros quilômetro quilômetros chilometri
length       | 1/100          | cm centimetre centimetres centimeter centimeters см 厘米
length       | 1/1000         | mm millimetre millimetres millimeter millimeters мм 毫米
length       | 1609.344       | mi mile miles
length       | 0.3048         | ft foot feet
length       | 0.0254         | in inch inches
length       | 0.9144         | yd yard yards
time         | 1              | s sec secs second seconds с секунд 秒 sekunde sekunden seconde secondes segundo segundos
time         | 1/1000         | ms millisecond milliseconds
time         | 60             | min mins minute minutes мин минут 分钟 分
time         | 3600           | h hr hrs hour hours ч час часа часов 小时 heure heures hora horas ora ore
time         | 3600           | std stunde stunden
time         | 86400          | d day days дней 天 日 tag tage jour jours
time         | 604800         | wk wks week weeks недель 周
time         | 2629746        | month months месяцев 个月
time         | 31556952       | yr yrs year years лет 年
mass         | 1              | kg kgs kilogram kilograms kilogramme kilogrammes кг 千克 公斤
mass         | 1/1000         | g gram grams gramme grammes г 克
mass         | 1/1000000      | mg milligram milligrams мг 毫克
mass         | 1000           | t tonne tonnes 吨
mass         | 0.45359237     | lb lbs pound pounds
mass         | 0.028349523125 | oz ounce ounces
dollar       | 1              | $ usd dollar dollars buck bucks 美元
dollar       | 1/100          | ¢ cent cents
euro         | 1              | € eur euro euros
sterling     | 1              | £ gbp
yuan         | 1              | ¥ cny rmb yuan 元
rupee        | 1              | ₹ inr rs rupee rupees
data         | 1              | bit bits
data         | 8              | B byte bytes
data         | 8000           | kB KB kilobyte kilobytes
data         | 8000000        | MB megabyte megabytes
data         | 8000000000     | GB gigabyte gigabytes
data         | 8192           | KiB
data         | 8388608        | MiB
data         | 8589934592     | GiB
angle        | 1              | ° deg degree degrees
temperature  | 1              | K kelvin kelvins
length 3     | 1/1000         | L l litre litres liter liters 升
length 3     | 1/1000000      | mL ml cc millilitre millilitres milliliter milliliters 毫升
length 3     | 0.003785411784 | gal gallon gallons
length 2     | 10000          | ha hectare hectares
length time -1 | 0.44704      | mph
length time -1 | 5/18         | kmh kph kmph
length time -1 | 463/900      | kn knot knots
mass length time -2   | 1     | N newton newtons
mass length 2 time -2 | 1     | J joule joules
mass length 2 time -2 | 1000  | kJ kilojoule kilojoules
mass length 2 time -2 | 3600  | Wh
mass length 2 time -2 | 3600000 | kWh
mass length 2 time -3 | 1     | W watt watts
mass length 2 time -3 | 1000  | kW kilowatt kilowatts
mass length -1 time -2 | 1    | Pa pascal pascals
mass length -1 time -2 | 1000 | kPa
time -1      | 1              | Hz hertz
"""
"""Dimension (a base quantity and its exponent, 1 where none stands), factor to SI, names.

A month is a twelfth of the mean Gregorian year. Money has a dimension a currency: nothing converts one to another.
"""


def _table() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        dimension, factor, names = line.split("|")
        powers = re.findall(r"([a-z]+)(?: (-?\d))?", dimension)
        unit = Unit(tuple(sorted((name, int(power or 1)) for name, power in powers)), Fraction(factor.strip()))
        units |= dict.fromkeys(names.split(), unit)
    temperature, ice = (("temperature", 1),), Fraction("273.15")
    celsius = Unit(temperature, Fraction(1), ice)
    fahrenheit = Unit(temperature, Fraction(5, 9), ice - 32 * Fraction(5, 9))
    units |= {"°C": celsius, "℃": celsius, "celsius": celsius, "°F": fahrenheit, "fahrenheit": fahrenheit}
    return units | dict.fromkeys(("%", "percent", "pct", "prozent", "процентов"), PERCENT)


UNITS = _table()
DOLLAR = UNITS["$"]

_WORD = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿμ°а-яА-Я]{1,20}|[$€£¥₹¢%℃]")
_CHINESE = re.compile(r"[一-鿿]{1,3}")
_POWER_WORD = re.compile(r"(square|sq|cubic|cu)\b\.?\s?", re.IGNORECASE)
_POWER = re.compile(r"\s?\^\s?\(?(-?[1-3])(?!\d)\)?|([23])(?![\d.])|\s(squared|cubed)\b")
_PER = re.compile(r"\s?/\s?|\s(?:per|an|pro|par|por|a)\s|\s?每\s?|\sв\s", re.IGNORECASE)
_TIMES = re.compile(r"\s?[×*]\s?|\s")
_MORE_WORDS = re.compile(r"\s[A-Za-z]")


def unit_at(text: str, start: int) -> tuple[Unit, int] | None:
    """The unit that is written at a place of plain text, and where it ends.

    None where no unit is, or one that is not known in full (km per lap). ``in`` is the inch only where no word follows.
    """
    first = _factor(text, start, in_denominator=False)
    if first is None:
        return None
    name, unit, exponent, end = first
    if name == "in" and _MORE_WORDS.match(text, end):
        return None
    whole = ONE.times(unit, exponent) if exponent != 1 else unit
    while True:
        per = _PER.match(text, end)
        times = _TIMES.match(text, end)
        further = _factor(text, per.end(), in_denominator=True) if per else None
        if further is None and per is None and times:
            further = _factor(text, times.end(), in_denominator=False)
            if further is not None and further[2] > 0:
                further = None
        if further is None:
            unknown = (
                per is not None and per.group().strip() not in ("a", "an") and text[per.end() : per.end() + 1].isalpha()
            )
            return None if unknown else (whole, end)
        _, unit, exponent, end = further
        whole = whole.times(unit, -exponent if per else exponent)


def _factor(text: str, start: int, *, in_denominator: bool) -> tuple[str, Unit, int, int] | None:
    """One unit's name, the unit, its exponent, and where it ends."""
    power_word = _POWER_WORD.match(text, start)
    word = _WORD.match(text, power_word.end() if power_word else start)
    if word:
        name, unit, end = word.group(), _named(word.group(), in_denominator), word.end()
    else:
        name, unit, end = _chinese(text, start)
    if unit is None:
        return None
    power = _POWER.match(text, end)
    if power and (power[1] or power[3] or dict(unit.dimension).keys() == {"length"}):
        exponent = int(power[1] or power[2] or {"squared": 2, "cubed": 3}[power[3].lower()])
        end = power.end()
    else:
        exponent = 1
    if power_word:
        exponent *= 2 if power_word[1].lower().startswith("sq") else 3
    return name, unit, exponent, end


def _named(name: str, in_denominator: bool) -> Unit | None:
    """By its exact name, else without regard to case; of one letter (M, H) only after a ``per``."""
    if len(name) == 1 and not in_denominator:
        return UNITS.get(name)
    return UNITS.get(name) or UNITS.get(name.lower())


def _chinese(text: str, start: int) -> tuple[str, Unit | None, int]:
    found = _CHINESE.match(text, start)
    for length in range(len(found.group()) if found else 0, 0, -1):
        name = text[start : start + length]
        if name in UNITS:
            return name, UNITS[name], start + length
    return "", None, start
