"""``bakeoff run``: measure subjects, keep the run, show what came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from bakeoff.cli.engine_options import engine_options, named, settings_of, with_context
from bakeoff.cli.load_options import load_options, under_load, with_slots
from bakeoff.cli.meter_options import meter_options, meters_of
from bakeoff.cli.option_types import RunsType, SecondsType, ShareType, Tokens
from bakeoff.cli.quality_options import TASK_OPTIONS, USUAL, task_options, with_quality
from bakeoff.cli.suite_options import check_suite_options, suite_options
from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.run.plan import Plan
    from bakeoff.workload.asked import Asked


_F = TypeVar("_F", bound=Callable[..., Any])


def measuring_options(command: _F) -> _F:
    """The options that a run and the demo share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output."),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, metavar="N", show_default=True,
                     help="Seed of orders and preambles."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("run", short_help="How fast is it really?")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]…")
@click.option(
    "--runs",
    type=RunsType(),
    default="auto",
    help="Trials a cell. auto (the default): until the 95 % interval is narrow enough, at least 5, at most 20.",
)
@click.option("--precision", type=ShareType(), default="3%", show_default=True,
              help="With --runs auto: half the width of the 95 % interval, as a share of the figure.")  # fmt: skip
@click.option("--time-budget", type=SecondsType(), help="For the whole run, such as 10m: shared fairly, and what it "
              "cost in precision is said.")  # fmt: skip
@click.option("--sustained", type=SecondsType(), help="Run one cell back to back for so long, such as 10m: speed over "
              "time, and when heat slows it down.")  # fmt: skip
@click.option("--anchors/--no-anchors", default=True,
              help="Measure a first cell again at the end, to show drift.  [default: anchors]")  # fmt: skip
@click.option(
    "--max-tokens",
    type=Tokens(2, 131_072),
    default=128,
    show_default=True,
    help="Tokens to generate.",
)
@click.option("--context", type=Tokens(16), help="Context length, such as 32k.  [default: 2048; vllm: 4096]")
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT|@FILE", help="Own prompt; may be repeated.")
@click.option("--prompt-tokens", type=Tokens(), help="Send so many random token ids instead.")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="SHAPE",
    help="A stated length: pp512, tg128, pp512+tg128, 'tg128 @ d4096', chat, code, summary, long. Repeatable.",
)
@click.option("--cache", type=click.Choice(["cold", "warm"]), default="cold", show_default=True,
              help="warm: repeat one prompt with the engine's cache left on.")  # fmt: skip
@click.option("--temperature", type=click.FloatRange(0, 5), default=0.0, metavar="T", show_default=True,
              help="How freely the next token is drawn; 0: always the likeliest.")  # fmt: skip
@click.option("--with-quality", is_flag=True, help="Then put the standard tasks to each subject, as 'bakeoff quality' "
              "does; --tasks and --items say which.")  # fmt: skip
@task_options
@engine_options
@load_options
@suite_options
@meter_options
@measuring_options
def command(subjects: tuple[str, ...], as_json: bool, seed: int, **options: Any) -> int:
    """Measure SUBJECTs, each written ENGINE:MODEL[@QUANT].

    \b
      bakeoff run llamacpp:smollm2
      bakeoff run llamacpp:model.gguf --max-tokens 256
      bakeoff run llamacpp:r1-1.5b@q4_K_M --synthetic
      bakeoff run llamacpp:r1-70b.gguf --gpu-layers 0,20,40,auto
      bakeoff run llamacpp:NAME --url http://127.0.0.1:8080
      bakeoff run ollama:deepseek-r1:7b
      bakeoff run vllm:r1-7b@bf16
      bakeoff run openai:NAME --url http://127.0.0.1:8000
      bakeoff run llamacpp:smollm2 --shape pp512 --shape "tg128 @ d4096" --context 8192
      bakeoff run llamacpp:smollm2 --concurrency 1,2,4,8
      bakeoff run vllm:r1-7b@bf16 --rate 0.5,1,2 --slo ttft=2s,tpot=80ms
      bakeoff run llamacpp:smollm2 --sustained 10m
      bakeoff run llamacpp:smollm2 --wall shelly://192.168.1.20
      bakeoff run --suite article --dry-run

    Without a SUBJECT: what an Ollama server holds, else SmolLM2 on the embedded engine.

    Without --prompt: a word problem and a coding task; for synthetic weights, token ids.
    """
    from msgspec import structs

    from bakeoff.cli.dry_run import foresee, show_dry_run, without_skipped
    from bakeoff.cli.measuring import measure
    from bakeoff.cli.suite_options import ask_first, suite_plan

    check_suite_options(options)
    if options["suite"] is not None and options["with_quality"]:
        raise UsageError("--with-quality does not go with --suite: run 'bakeoff quality' after it.")
    options["seed"] = seed
    meters = meters_of(options)
    if not options["with_quality"] and any(map(_given, TASK_OPTIONS)):
        raise UsageError(f"--{', --'.join(TASK_OPTIONS)} are for answers: add --with-quality.")
    if options["suite"] is None:
        plan = structs.replace(_plan(subjects, options), meters=meters)
        if options["with_quality"]:
            plan = with_quality(plan, {**USUAL, **{name: options[name] for name in (*TASK_OPTIONS, "seed")}})
        return show_dry_run(foresee(plan, "this run"), as_json) if options["dry_run"] else measure(plan, as_json)
    plan = suite_plan(subjects, options, _given, lambda: _default_subjects(options["url"]))
    plan = structs.replace(plan, meters=meters)
    if not options["dry_run"]:
        ask_first(plan, options["suite"], options["yes"])
    run = foresee(plan, f"the suite {options['suite']}", try_anyway=options["try_anyway"])
    if options["dry_run"]:
        return show_dry_run(run, as_json)
    plan, left_out = without_skipped(plan, run)
    return measure(plan, as_json, left_out)


def _given(name: str) -> bool:
    """Whether the command line says something of that option."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _plan(subjects: tuple[str, ...], options: dict[str, Any]) -> Plan:
    """What the command line asks for, without a suite."""
    from bakeoff.cli.sustained import sustained_plan
    from bakeoff.engines.subjects import parse_subject
    from bakeoff.run.plan import Entrant, Plan, Protocol
    from bakeoff.workload.asked import Asked

    context = options["context"] or _context_of_shapes(options["shapes"])
    options["context"] = context or Asked().context
    settings = settings_of(options)
    asked = under_load(_asked(options), options)
    texts = subjects or _default_subjects(options["url"])
    wanted = named([(parse_subject(text), with_context(text, each, context)) for text in texts for each in settings])
    protocol = Protocol(
        runs=options["runs"],
        seed=options["seed"],
        precision=options["precision"],
        time_budget_s=options["time_budget"],
        anchors=Protocol().anchors if options["anchors"] else 0,
    )
    entrants = [
        Entrant(subject, with_slots(subject, each, asked, options["parallel"]), asked) for subject, each in wanted
    ]
    plan = Plan(tuple(entrants), protocol)
    return plan if options["sustained"] is None else sustained_plan(plan, options["sustained"], _given)


def _context_of_shapes(shapes: tuple[str, ...]) -> int | None:
    """The context that the longest of them needs, where it is more than the usual one."""
    from bakeoff.workload.asked import Asked
    from bakeoff.workload.shapes import parse_shape

    needed = max((shape.prompt_tokens + shape.max_tokens for shape in map(parse_shape, shapes)), default=0)
    return needed if needed > Asked().context else None


def _asked(options: dict[str, Any]) -> tuple[Asked, ...]:
    """The workloads: one for each prompt and shape, or for a number of token ids, else what suits the model."""
    from bakeoff.workload.asked import Asked
    from bakeoff.workload.prompts import read_prompt
    from bakeoff.workload.shapes import parse_shape

    if options["prompts"] and options["prompt_tokens"]:
        raise UsageError("--prompt and --prompt-tokens exclude each other: a prompt has its own length.")
    if options["shapes"] and (options["prompt_tokens"] or _given("max_tokens")):
        raise UsageError("--shape states its lengths itself, such as pp512+tg128: leave --prompt-tokens and "
                         "--max-tokens out.")  # fmt: skip
    common = {name: options[name] for name in ("max_tokens", "context", "cache", "temperature")}
    asked = [Asked(name=each.name, prompt=each.text, **common) for each in map(read_prompt, options["prompts"])]
    asked += [
        Asked(name=shape.name, shape=shape.name, **{**common, "max_tokens": shape.max_tokens})
        for shape in map(parse_shape, options["shapes"])
    ]
    return tuple(asked) or (Asked(prompt_tokens=options["prompt_tokens"], **common),)


def _default_subjects(url: str | None) -> list[str]:
    """What is there to be measured: the first model that Ollama holds, else the embedded small one."""
    from bakeoff.engines.discover import ollama_models

    models = ollama_models(url)
    if url and not models:
        raise UsageError(f"No Ollama with a model answers at {url}. Name the subject too, for instance openai:NAME.")
    return [f"ollama:{models[0]}"] if models else ["llamacpp:smollm2"]
