"""The options that say which tasks are put to subjects, and the plan that they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.run.plan import Plan
    from bakeoff.run.quality_plan import Quality

USUAL: dict[str, Any] = {"samples": 1, "max_tokens": None, "temperature": None, "greedy": False, "reference": None,
                         "margin": None, "price_per_hour": None, "agreement": None}  # fmt: skip
"""What 'bakeoff quality' does where nothing else is asked for."""
TASK_OPTIONS = ("tasks", "items", "fresh", "checker")
_F = TypeVar("_F", bound=Callable[..., Any])


def task_options(command: _F) -> _F:
    """Add the options."""
    for option in (
        click.option("--checker", metavar="NAME", default="", help="What grades lines of a file that name no checker."),
        click.option("--fresh", type=click.IntRange(0, 2**63 - 1), metavar="SEED",
                     help="Unseen tasks like those of the standard set; needs the extra 'fresh'."),
        click.option("--items", type=click.IntRange(1, 100_000), metavar="N",
                     help="So many tasks of each set; else all."),
        click.option("--tasks", metavar="SET[,SET]|FILE", default="standard", show_default=True,
                     help="Sets of tasks by their names, or a file of one's own (JSON Lines)."),
    ):  # fmt: skip
        command = option(command)
    return command


def with_quality(plan: Plan, options: dict[str, Any]) -> Plan:
    """The plan with its tasks, of which it is said how many tokens an answer may have where nobody did."""
    from msgspec import structs

    return structs.replace(plan, quality=_quality(plan, options))


def _quality(plan: Plan, options: dict[str, Any]) -> Quality:
    from bakeoff.cli.token_budget import token_budget
    from bakeoff.quality.sampling import TEMPERATURE, TOP_P, Sampling
    from bakeoff.quality.sets.targets import check_checker
    from bakeoff.run.quality_plan import Quality, tasks_of

    if options["greedy"] and (options["temperature"] is not None or options["samples"] > 1):
        raise UsageError("--greedy answers repeat: leave --temperature and --samples out.")
    check_checker(options["checker"])
    temperature = TEMPERATURE if options["temperature"] is None else options["temperature"]
    temperature = 0.0 if options["greedy"] else temperature
    quality = Quality(
        sets=tuple(dict.fromkeys(name.strip() for name in options["tasks"].split(",") if name.strip())),
        items=options["items"],
        fresh=options["fresh"],
        checker=options["checker"],
        sampling=Sampling(
            samples=options["samples"],
            max_tokens=options["max_tokens"] or 1,
            temperature=temperature,
            top_p=TOP_P if temperature else None,
            seed=options["seed"],
        ),
        reference=options["reference"],
        margin=options["margin"],
        price_per_hour=options["price_per_hour"],
        agreement=options["agreement"],
    )
    if not quality.sets:
        raise UsageError("--tasks names no set. Leave it out for the standard one.")
    prompts = [task.prompt for task in tasks_of(quality)]
    return quality if options["max_tokens"] else token_budget(plan, quality, prompts)
