"""``bakeoff quality``: are the answers right, and does the quantization cost any?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bakeoff.cli.engine_options import engine_options, named, settings_of
from bakeoff.cli.meter_options import meter_options, meters_of
from bakeoff.cli.option_types import ShareType, Tokens
from bakeoff.cli.quality_options import task_options, with_quality
from bakeoff.cli.run import measuring_options
from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.engines.subjects import SubjectText
    from bakeoff.run.plan import Plan

FORETELLING = ("llamacpp", "vllm")
"""Engines of which next-token probabilities can be had."""


@click.command("quality", short_help="Are the answers right, and does the quantization cost any?")
@click.argument("subjects", nargs=-1, metavar="SUBJECT…")
@task_options
@click.option(
    "--samples", type=click.IntRange(1, 1000), default=1, show_default=True, metavar="N", help="Answers to each task."
)
@click.option("--max-tokens", type=Tokens(1, 1_000_000), help="Most tokens of an answer, reasoning and all; "
              "else as many as the slowest subject makes in ten minutes, 32768 at most.")  # fmt: skip
@click.option("--temperature", type=click.FloatRange(0, 5), metavar="T", help="[default: 0.6, with top-p 0.95]")
@click.option("--greedy", is_flag=True, help="Always the likeliest token: what repeats, not how good it is.")
@click.option("--resume", is_flag=False, flag_value="", default=None, metavar="[RUN]",
              help="Go on with an interrupted run, the newest if none is named.")  # fmt: skip
@click.option("--reference", metavar="SUBJECT", help="What the others are held against; else the first.")
@click.option("--margin", type=ShareType(), help="Accuracies that differ by less, such as 3%, are equivalent.")
@click.option("--price-per-hour", type=click.FloatRange(0, 1e6), metavar="DOLLARS",
              help="What an hour of this machine costs, for the price of a right answer.")  # fmt: skip
@click.option("--agreement", type=click.IntRange(2, 10_000), metavar="N",
              help="Compare next-token probabilities too, over the reference's greedy answers to N tasks.")  # fmt: skip
@engine_options
@meter_options
@measuring_options
def command(subjects: tuple[str, ...], as_json: bool, seed: int, **options: Any) -> int:
    """Put tasks to SUBJECTs, each written ENGINE:MODEL[@QUANT], and grade the answers.

    \b
      bakeoff quality llamacpp:smollm2 --tasks article-train --samples 4
      bakeoff quality llamacpp:r1-7b-Q8_0.gguf llamacpp:r1-7b-Q4_K_M.gguf --samples 4
      bakeoff quality ollama:r1-7b@q8_0 ollama:r1-7b@q4_K_M --items 100 --margin 3%
      bakeoff quality openai:NAME --url http://127.0.0.1:8000 --tasks mine.jsonl

    Every answer is saved at once. Several subjects get the same tasks and seeds, one after the other, and are compared
    task by task.
    """
    from bakeoff.cli.measuring import measure

    if options["resume"] is not None:
        return _resume(subjects, options["resume"], as_json)
    options["seed"] = seed
    return measure(_plan(subjects, options), as_json)


def _resume(subjects: tuple[str, ...], run: str, as_json: bool) -> int:
    """The run that is named, or the newest unfinished one with tasks."""
    from bakeoff.cli.measuring import resume
    from bakeoff.cli.show import show_run
    from bakeoff.folders import runs_folder
    from bakeoff.hardware.host import this_host
    from bakeoff.results.runfile import read_run
    from bakeoff.results.store import find_run, readable_runs
    from bakeoff.run.resume import is_finished, newest_unfinished

    if subjects:
        raise UsageError("--resume goes on with what the run was to do: leave the subjects out.")
    folder = runs_folder()
    if run:
        path = find_run(folder, run)
        return show_run(path, as_json) if is_finished(read_run(path)) else resume(path, as_json)
    asked = [(path, each) for path, each in readable_runs(folder)[0] if (each.started.plan or {}).get("quality")]
    unfinished = newest_unfinished(asked, this_host())
    if unfinished is not None:
        return resume(unfinished, as_json)
    if not asked:
        raise UsageError("There is no run with answers to go on with. Make one with: bakeoff quality SUBJECT")
    return show_run(asked[-1][0], as_json)


def _plan(subjects: tuple[str, ...], options: dict[str, Any]) -> Plan:
    """What the command line asks for."""
    from bakeoff.engines.options import EngineOptions
    from bakeoff.engines.subjects import parse_subject
    from bakeoff.run.plan import Entrant, Plan, Protocol

    if not subjects:
        raise UsageError("Name a subject, for instance: bakeoff quality llamacpp:smollm2 --tasks article-train")
    settings = settings_of({**options, "context": EngineOptions().context})
    wanted = named([(parse_subject(text), each) for text in subjects for each in settings])
    texts = [subject.text for subject, _ in wanted]
    if len(set(texts)) < len(texts):
        raise UsageError("A subject is named twice: what is compared with itself is the same.")
    if options["reference"] is not None and options["reference"] not in texts:
        raise UsageError(f"--reference {options['reference']!r} is none of the subjects. Name one as you wrote it.")
    if options["agreement"] is not None:
        _check_agreement([subject for subject, _ in wanted])
    entrants = tuple(Entrant(subject, each, ()) for subject, each in wanted)
    plan = Plan(entrants, Protocol(seed=options["seed"]), meters_of(options))
    return with_quality(plan, options)


def _check_agreement(subjects: list[SubjectText]) -> None:
    """Raise UsageError where there is nothing to hold against each other, before an answer is asked for."""
    if len(subjects) < 2:
        raise UsageError("--agreement holds subjects against the first or --reference: name another subject.")
    silent = next((subject.text for subject in subjects if subject.engine not in FORETELLING), None)
    if silent is not None:
        raise UsageError(f"{silent}: Bakeoff gets next-token probabilities from llama.cpp (llamacpp:) and vLLM "
                         "(vllm:) alone. Leave --agreement out.")  # fmt: skip
