"""The options that say how an engine is to run, and the settings that they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.engines.options import EngineOptions
    from bakeoff.engines.subjects import SubjectText

MOST_LAYERS = 10_000
VLLM_CONTEXT = 4096
_F = TypeVar("_F", bound=Callable[..., Any])


class LayersType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """Layers on the GPU: a number, ``all``, ``auto``, or several of these between commas, each measured once."""

    name = "N|auto[,…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None, ...]:
        return tuple(dict.fromkeys(self._one(part.strip(), param, ctx) for part in str(value).split(",")))

    def _one(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if text in ("auto", "all"):
            return None if text == "auto" else -1
        if not text.isdecimal() or int(text) > MOST_LAYERS:
            self.fail(
                f"{text!r} is no number of layers: write for instance 20, all, auto, or 0,20,40,auto.", param, ctx
            )
        return int(text)


def engine_options(command: _F) -> _F:
    """Add the options."""
    for option in reversed(
        (
            click.option("--synthetic", is_flag=True, help="llamacpp, vllm: random weights in the model's shape."),
            click.option("--like", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
                         help="With --synthetic: tensor types as in this GGUF file."),
            click.option("--url", metavar="URL", help="Attach to the server at this address."),
            click.option("--threads", type=click.IntRange(1, 4096), metavar="N", help="llamacpp, ollama: CPU threads."),
            click.option("--gpu-layers", type=LayersType(), metavar="N|auto[,…]",
                         help="llamacpp, ollama: layers on the GPU. Several are measured one by one: 0,20,40,auto."),
            click.option("--gpu", metavar="INDEX|UUID", help="The NVIDIA GPU to use, as nvidia-smi numbers them."),
            click.option("--memory-utilization", type=click.FloatRange(0, 1, min_open=True), metavar="SHARE",
                         help="vllm: share of the memory to take at once. [default: 0.9; without a GPU 4 GiB]"),
            click.option("--program", metavar="FILE", help="The program to start, for instance a llama-server."),
            click.option("--flash-attention/--no-flash-attention", default=None,
                         help="llamacpp, ollama: flash attention on or off; else the engine chooses."),
            click.option("--pull", is_flag=True, help="ollama, mlx: get the model where it is not there."),
            click.option("--raw", is_flag=True, help="ollama: send prompts without the model's chat template."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def settings_of(options: dict[str, Any]) -> list[EngineOptions]:
    """The engine settings that were asked for, one for each number of layers. Raises UsageError."""
    from bakeoff.engines.address import Address
    from bakeoff.engines.options import EngineOptions

    if options["url"]:
        Address.parse(options["url"])  # now: the command line, with a password in it, would be kept in the file
    if options["like"] and not options["synthetic"]:
        raise UsageError("--like says what synthetic weights are made of: add --synthetic.")
    names = ("url", "context", "threads", "synthetic", "like", "gpu", "memory_utilization", "program",
             "flash_attention", "pull", "raw")  # fmt: skip
    return [
        EngineOptions(**{name: options[name] for name in names}, gpu_layers=layers)
        for layers in options["gpu_layers"] or (None,)
    ]


def with_context(text: str, options: EngineOptions, asked: int | None) -> EngineOptions:
    """vLLM is started for 4096 tokens where nobody asked for another context: its memory is taken at once anyway."""
    from msgspec import structs

    return structs.replace(options, context=VLLM_CONTEXT) if asked is None and text.startswith("vllm:") else options


def named(subjects: list[tuple[SubjectText, EngineOptions]]) -> list[tuple[SubjectText, EngineOptions]]:
    """The same; where layers on the GPU are what differs between them, each subject's text says how many."""
    from msgspec import structs

    from bakeoff.engines.llama_log import layers_text

    if len({options.gpu_layers for _, options in subjects}) < 2:
        return subjects
    return [
        (structs.replace(subject, text=f"{subject.text} --gpu-layers {layers_text(options.gpu_layers)}"), options)
        for subject, options in subjects
    ]


def with_logs(options: EngineOptions, run_file: Path) -> EngineOptions:
    """What is started for a run writes into a folder beside the run's file, of the same name."""
    from msgspec import structs

    return structs.replace(options, logs=run_file.with_suffix(""))
