"""The options of a suite, the plan that they make, and what is asked before a large one is done."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.engines.options import EngineOptions
    from bakeoff.run.plan import Plan
    from bakeoff.workload.suite import Measuring, Settings

MANY_CELLS = 200
_F = TypeVar("_F", bound=Callable[..., Any])
_OWN_WORKLOADS = ("prompts", "prompt_tokens", "shapes")


def suite_options(command: _F) -> _F:
    """Add the options."""
    for option in reversed(
        (
            click.option("--suite", metavar="NAME|FILE", help="Measure what a suite says; see 'bakeoff suites'."),
            click.option("--engine", "engines", multiple=True, metavar="ENGINE",
                         help="With --suite: what runs the subjects that name no engine. May be repeated."),
            click.option("--dry-run", is_flag=True, help="Show what would be done, what fits, how long it takes."),
            click.option("--try-anyway", is_flag=True, help="With --suite: also what cannot fit this machine."),
            click.option("--yes", is_flag=True, help=f"With --suite: do not ask before more than {MANY_CELLS} cells."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def check_suite_options(options: dict[str, Any]) -> None:
    """Raise UsageError where an option goes with a suite and there is none, or contradicts it."""
    if options["suite"] is None:
        for name in ("engines", "try_anyway", "yes"):
            if options[name]:
                option = {"engines": "engine"}.get(name, name.replace("_", "-"))
                raise UsageError(f"--{option} is for a suite: name one with --suite, or leave it out.")
        return
    if options["sustained"] is not None:
        raise UsageError("--sustained is for one workload, and a suite has many: leave one of the two out.")
    for name in _OWN_WORKLOADS:
        if options[name]:
            option = {"prompts": "prompt", "shapes": "shape"}.get(name, name.replace("_", "-"))
            raise UsageError(f"--{option} does not go with --suite, which has workloads of its own: leave one out.")


def suite_plan(
    subjects: tuple[str, ...],
    options: dict[str, Any],
    given: Callable[[str], bool],
    default_subjects: Callable[[], list[str]],
) -> Plan:
    """The suite's plan, with what the command line says otherwise; ``given`` tells whether it says so of an option."""
    from bakeoff.cli.engine_options import named, settings_of
    from bakeoff.engines.subjects import WITH_QUANT, known_engines, parse_subject
    from bakeoff.run.plan import Entrant, Plan
    from bakeoff.workload.matrix import starts
    from bakeoff.workload.suite_entries import Choice
    from bakeoff.workload.suite_file import read_suite

    file = read_suite(options["suite"])
    choice = Choice(
        known=known_engines(),
        with_quant=WITH_QUANT,
        there=default_subjects,
        subjects=subjects,
        engines=options["engines"] or (("llamacpp",) if options["synthetic"] else ()),
        settings=_settings(options, given),
    )
    (base,) = settings_of({**options, "context": None, "gpu_layers": None})
    found = starts(file, choice)
    for engine in options["engines"]:
        if not any(start.subject.startswith(f"{engine}:") for start in found):
            raise UsageError(f"--engine {engine} would run nothing: {file.name} has no subject that leaves its engine "
                             "open, or none that it can run. Leave it out, or name a SUBJECT.")  # fmt: skip
    wanted = named([(parse_subject(start.subject), _options(base, start, options["parallel"])) for start in found])
    entrants = [Entrant(subject, engine, start.asked) for (subject, engine), start in zip(wanted, found, strict=True)]
    return Plan(tuple(entrants), _protocol(file.suite.measuring, options, given))


def _options(base: EngineOptions, start: Any, parallel: int | None) -> EngineOptions:
    from msgspec import structs

    from bakeoff.cli.engine_options import with_context
    from bakeoff.workload.asked import Asked

    options = structs.replace(
        base,
        context=start.context or Asked().context,
        gpu_layers=start.gpu_layers,
        parallel=parallel or start.parallel,
    )
    return with_context(start.subject, options, start.context)


def _settings(options: dict[str, Any], given: Callable[[str], bool]) -> Settings:
    """What the command line says of a suite's settings."""
    from bakeoff.cli.load_options import load_settings
    from bakeoff.workload.suite import Sampling, Settings

    layers = [{None: "auto", -1: "all"}.get(count, count) for count in options["gpu_layers"] or ()]
    return Settings(
        context=options["context"],
        max_tokens=options["max_tokens"] if given("max_tokens") else None,
        cache=options["cache"] if given("cache") else None,
        sampling=Sampling(temperature=options["temperature"]) if given("temperature") else None,
        gpu_layers=layers or None,
        **load_settings(options),
    )


def _protocol(measuring: Measuring, options: dict[str, Any], given: Callable[[str], bool]) -> Any:
    """How to measure: by the command line, else by the suite, else as usual."""
    from bakeoff.run.plan import Protocol

    said: dict[str, Any] = {
        "runs": None if measuring.runs == "auto" else measuring.runs,
        "precision": measuring.precision,
        "time_budget_s": measuring.time_budget_s,
        "warm_ups": measuring.warm_ups,
        "anchors": measuring.anchors,
    }
    said |= {
        own: options[name]
        for own, name in (("runs", "runs"), ("precision", "precision"), ("time_budget_s", "time_budget"))
        if given(name)
    }
    if given("anchors"):
        said["anchors"] = Protocol().anchors if options["anchors"] else 0
    return Protocol(seed=options["seed"], **{name: value for name, value in said.items() if value is not None})


def ask_first(plan: Plan, suite: str, yes: bool) -> None:
    """Ask before very many cells. Raises UsageError where nobody can be asked, click.Abort where the answer is no."""
    cells = sum(len(entrant.asked) for entrant in plan.entrants)
    if cells <= MANY_CELLS or yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"{suite} has {cells:,} cells, and nobody is there to be asked. See what they take with --dry-run; "
            "measure them all with --yes."
        )
    click.confirm(f"{suite} has {cells:,} cells. Measure them all?", abort=True, err=True)
