"""``bakeoff run``: measure subjects, keep the run, show what came out."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from bakeoff.cli.engine_options import engine_options, named, settings_of, with_context, with_logs
from bakeoff.errors import UsageError


class RunsType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """``auto`` or a number of trials."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'auto'.", param, ctx)
        if not 1 <= number <= 10_000:
            self.fail(f"{number} trials make no measurement: take 1 to 10000, or 'auto'.", param, ctx)
        return number


_F = TypeVar("_F", bound=Callable[..., Any])


def measuring_options(command: _F) -> _F:
    """The options that a run and the demo share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output."),
        click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="Seed of orders and preambles."),
    ):
        command = option(command)
    return command


@click.command("run", short_help="How fast is it really?")
@click.argument("subjects", nargs=-1, metavar="[SUBJECT]…")
@click.option(
    "--runs",
    type=RunsType(),
    default="auto",
    help="Trials a cell. auto (the default): until the 95 % interval is within ±3 %, at least 5, at most 20.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(2, 131_072),
    default=128,
    show_default=True,
    help="Tokens to generate.",
)
@click.option("--context", type=click.IntRange(16, 10_000_000), help="Context length. [default: 2048; vllm: 4096]")
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT|@FILE", help="Own prompt; may be repeated.")
@click.option("--prompt-tokens", type=click.IntRange(1, 10_000_000), help="Send so many random token ids instead.")
@click.option("--cache", type=click.Choice(["cold", "warm"]), default="cold", show_default=True,
              help="warm: repeat one prompt with the engine's cache left on.")  # fmt: skip
@click.option("--temperature", type=click.FloatRange(0, 5), default=0.0, show_default=True)
@engine_options
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

    Without a SUBJECT: what an Ollama server holds, else SmolLM2 on the embedded engine.

    Without --prompt: a word problem and a coding task; for synthetic weights, token ids.
    """
    from bakeoff.run.plan import Protocol
    from bakeoff.workload.prompts import read_prompt

    asked = options["context"]
    options["context"] = asked or Protocol().context
    settings = settings_of(options)
    if options["prompts"] and options["prompt_tokens"]:
        raise UsageError("--prompt and --prompt-tokens exclude each other: a prompt has its own length.")
    protocol = Protocol(
        runs=options["runs"],
        max_tokens=options["max_tokens"],
        context=options["context"],
        prompts=tuple(read_prompt(text) for text in options["prompts"]),
        prompt_tokens=options["prompt_tokens"],
        cache=options["cache"],
        temperature=options["temperature"],
        seed=seed,
    )
    texts = subjects or _default_subjects(options["url"])
    wanted = [(text, with_context(text, each, asked)) for text in texts for each in settings]
    return measure(wanted, protocol, as_json)


def _default_subjects(url: str | None) -> list[str]:
    """What is there to be measured: the first model that Ollama holds, else the embedded small one."""
    from bakeoff.engines.discover import ollama_models

    models = ollama_models(url)
    if url and not models:
        raise UsageError(f"No Ollama with a model answers at {url}. Name the subject too, for instance openai:NAME.")
    return [f"ollama:{models[0]}"] if models else ["llamacpp:smollm2"]


def measure(wanted: list[tuple[str, Any]], protocol: Any, as_json: bool) -> int:
    """Measure subjects with their engine options, show the result; the exit code."""
    from bakeoff.cli.history import learned_here
    from bakeoff.cli.live import LiveProgress
    from bakeoff.cli.show import show_run
    from bakeoff.engines.subjects import parse_subject
    from bakeoff.folders import runs_folder
    from bakeoff.hardware.detect import this_machine
    from bakeoff.hardware.host import this_host
    from bakeoff.run.contestants import contestant
    from bakeoff.run.predicting import Predictor
    from bakeoff.run.session import Entrant, LazyRunFile, run_all

    parsed = named([(parse_subject(text), options) for text, options in wanted])
    command_line = shlex.join(["bakeoff", *sys.argv[1:]])
    host = this_host()
    predictor = Predictor(this_machine(), learned_here(host))
    file = LazyRunFile(runs_folder(), command_line, protocol.seed, host)
    with LiveProgress() as live:
        entrants = [
            Entrant(subject.text, partial(contestant, subject, with_logs(options, file.path), live.bytes_done))
            for subject, options in parsed
        ]
        errors = run_all(entrants, protocol, file, live, predictor)
    if not file.exists:
        for error in errors[:-1]:
            click.echo(f"Error: {error}", err=True)
        raise errors[-1]
    code = show_run(file.path, as_json)
    return 1 if errors else code
