"""Change, discounts, taxes and bundles; money in whole cents."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from bakeoff.quality.sets.families.base import Draft, Family, fitting, number_draft, number_target, numbers
from bakeoff.quality.tasks import Task

_GOODS = ("notebooks", "mugs", "lamps", "cushions", "bottles", "candles", "towels", "boxes", "plates", "brushes")


def draft(rng: Random, level: int) -> Draft | None:
    """Change; then a discount and a tax; then the price before two discounts, or bundles within a budget."""
    if level == 1:
        return _change(rng)
    if level == 2:
        return _discount(rng)
    return fitting(rng, _before, _bundles)


def _price(rng: Random) -> int:
    return rng.randrange(120, 2500, 5)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _euros(question: str, cents: Fraction | int) -> Draft | None:
    return number_draft(question, Fraction(cents) / 100, "euros") if Fraction(cents).denominator == 1 else None


def _change(rng: Random) -> Draft | None:
    one, other = rng.sample(_GOODS, 2)
    count, more = rng.randrange(2, 8), rng.randrange(2, 8)
    price, dearer = _price(rng), _price(rng)
    total = count * price + more * dearer
    note = next(note for note in (50, 100, 200, 500) if note * 100 > total)
    return _euros(
        f"Maria buys {count} {one} at {_money(price)} euros each and {more} {other} at {_money(dearer)} euros each. "
        f"She pays with {note} euros. How many euros does she get back?",
        note * 100 - total,
    )


def _discount(rng: Random) -> Draft | None:
    one, other = rng.sample(_GOODS, 2)
    count, more = rng.randrange(2, 9), rng.randrange(2, 9)
    price, dearer = _price(rng), _price(rng)
    off, tax = rng.choice((10, 15, 20, 25, 30)), rng.choice((5, 8, 10, 20))
    total = Fraction(count * price * (100 - off), 100) + more * dearer
    return _euros(
        f"A shop takes {off} % off {one}; {other} are sold at the full price. Prices are before tax, and a tax of "
        f"{tax} % is added to the whole bill. {one.capitalize()} cost {_money(price)} euros each before the discount, "
        f"{other} cost {_money(dearer)} euros each. How many euros do {count} {one} and {more} {other} cost with tax?",
        total * (100 + tax) / 100,
    )


def _before(rng: Random) -> Draft | None:
    first, then, voucher = rng.choice((10, 15, 20, 25, 30, 40)), rng.choice((5, 10, 20, 25)), rng.randrange(5, 40, 5)
    price = rng.randrange(8000, 60000, 100)
    paid = Fraction(price * (100 - first) * (100 - then), 10_000) - voucher * 100
    if paid.denominator != 1:
        return None
    return _euros(
        f"The price of a bicycle was lowered by {first} %, and a month later the lowered price was lowered again by "
        f"{then} %. With a voucher, a customer got another {voucher} euros off, and paid {_money(int(paid))} euros. "
        "What was the price in euros before the first reduction?",
        price,
    )


def _bundles(rng: Random) -> Draft | None:
    goods = rng.choice(_GOODS)
    price, size = rng.randrange(240, 990, 10), rng.choice((3, 4, 5, 6))
    bundle = price * (size - 1) - rng.randrange(0, 60, 10)
    budget = rng.randrange(40, 160) * 100
    card = rng.randrange(3, 12) * 100
    number = (budget - card) // bundle * size + (budget - card) % bundle // price
    if number < 10:
        return None
    return number_draft(
        f"{goods.capitalize()} cost {_money(price)} euros each, or {_money(bundle)} euros for a pack of {size}. To buy "
        f"at all one needs a customer's card, which costs {_money(card)} euros. What is the largest number of {goods} "
        f"that one can bring home with {_money(budget)} euros, if packs and single ones may be combined?",
        number,
    )


def second(task: Task) -> Any:
    """By the till: item by item, in exact cents; what was paid and what can be bought by trying."""
    story = task.prompt.partition("\n\n")[0]
    figures = numbers(story)
    if "get back" in story:
        count, price, more, dearer, note = figures
        left = note * 100
        for cents in [price * 100] * int(count) + [dearer * 100] * int(more):
            left -= cents
        return number_target(left / 100, "euros")
    if "full price" in story:
        off, tax, price, dearer, count, more = figures
        bill = [price * 100 - price * off] * int(count) + [dearer * 100] * int(more)
        return number_target(sum((cents + cents * tax / 100 for cents in bill), Fraction(0)) / 100, "euros")
    if "bicycle" in story:
        return number_target(_tried(figures), "euros")
    price, bundle, size, card, budget = figures
    packs = range(int((budget - card) // bundle) + 1)
    most = max(n * int(size) + int((budget - card - n * bundle) // price) for n in packs)
    return number_target(most)


def _tried(figures: list[Fraction]) -> Fraction:
    first, then, voucher, paid = (int(figure * 100) for figure in figures)
    for cents in range(1, 100_000):
        lowered = cents * (10_000 - first)
        if lowered * 10_000 - lowered * then == (voucher + paid) * 10**8:
            return Fraction(cents, 100)
    raise ValueError("no price in cents")


FAMILY = Family(name="shopping", kind="word problems", draft=draft, second=second)
