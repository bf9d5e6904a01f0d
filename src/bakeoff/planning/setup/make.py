"""A set-up, put together from a machine, a model and an engine; and what cannot be, refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bakeoff.errors import UsageError
from bakeoff.models.names import ENGINE_WORDS
from bakeoff.planning.setup.common import DEFINITIONS, bakeoff_steps, uv_step
from bakeoff.planning.setup.ground import ground_steps
from bakeoff.planning.setup.llamacpp import llamacpp_kit
from bakeoff.planning.setup.mlx import mlx_kit
from bakeoff.planning.setup.ollama import ollama_kit
from bakeoff.planning.setup.steps import Kit, Setup, Step, System, Target
from bakeoff.planning.setup.vllm import vllm_kit
from bakeoff.planning.setup.weights import choose, memory_words
from bakeoff.units import GIB, bytes_text

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Machine
    from bakeoff.models.names import EngineKind

_KITS: dict[EngineKind, Callable[[Target], Kit]] = {
    "ollama": ollama_kit,
    "llamacpp": llamacpp_kit,
    "vllm": vllm_kit,
    "mlx": mlx_kit,
}


def make_setup(
    machine: Machine,
    engine: EngineKind,
    model: str,
    *,
    quant: str | None = None,
    context: int = 4096,
    system: System | None = None,
) -> Setup:
    """The steps to that model on that engine on that machine. ``system``: what runs there; by its chip without.

    Raises UsageError where the engine does not run there, or the model does not fit, with what does.
    """
    system = system or ("macos" if any(device.vendor == "apple" for device in machine.devices) else "linux")
    _check_engine(machine, engine, system)
    target = Target(
        machine=machine, system=system, chosen=choose(machine, engine, model, quant, context), context=context
    )
    kit = _KITS[engine](target)
    steps = [*ground_steps(target, kit), *kit.steps, kit.question]
    if all(step.title != uv_step().title for step in steps):
        steps.append(uv_step())
    steps += bakeoff_steps(target, kit.subject)
    arch = target.chosen.weights.arch
    return Setup(
        title=" ".join(f"{arch.name} with {ENGINE_WORDS[engine]} on {machine.name}".split()),
        facts=_facts(target, kit),
        definitions=_used(system, kit, steps),
        steps=tuple(steps),
        closing=kit.closing,
    )


def _check_engine(machine: Machine, engine: EngineKind, system: System) -> None:
    """Raise UsageError where Bakeoff knows no way to run that engine there."""
    vendors = {device.vendor for device in machine.devices} - {"cpu"}
    if engine == "mlx" and "apple" not in vendors:
        instead = "vllm, llamacpp or ollama" if "nvidia" in vendors else "llamacpp or ollama"
        raise UsageError(f"MLX is made for Apple silicon, and {machine.name} is none. Take --engine {instead}.")
    if engine == "vllm" and "nvidia" not in vendors:
        instead = "mlx, llamacpp or ollama" if system == "macos" else "llamacpp or ollama"
        raise UsageError(
            f"vLLM's packages are made for NVIDIA's GPUs, and {machine.name} has none. Take --engine {instead}."
        )
    if system == "macos" and "apple" not in vendors:
        raise UsageError("On a Mac with an Intel processor Bakeoff knows no set-up: name other hardware with --on.")


def _facts(target: Target, kit: Kit) -> tuple[tuple[str, str], ...]:
    chosen, weights = target.chosen, target.chosen.weights
    words = f"{weights.name}{f', {weights.file}' if weights.file else ''}: {weights.quant}"
    disk = f"{bytes_text(weights.download_bytes)} for the model"
    if kit.disk_bytes:
        disk += f", {bytes_text(kit.disk_bytes)} for {kit.disk_words}"
    where = " on the GPU" if target.gpus and target.kind != "apple" else ""
    on_gpu = chosen.fit.total_bytes - (chosen.fit.host_bytes if target.gpus else 0)
    memory = f"{bytes_text(on_gpu)} of {memory_words(target.machine)}{where}, for {target.context:,} tokens of context"
    if target.gpus and chosen.fit.host_bytes >= GIB:
        memory += f", and {bytes_text(chosen.fit.host_bytes)} of the host's"
    facts = [("Model", words), ("Licence", weights.arch.licence), ("Disk", disk), ("Memory", memory)]
    if chosen.note:
        facts.append(("Note", chosen.note))
    if not weights.gated and weights.engine != "ollama":
        facts.append(("Token", "no Hugging Face account is needed"))
    return tuple((name, text) for name, text in facts if text)


def _used(system: System, kit: Kit, steps: list[Step]) -> tuple[str, ...]:
    """The engine's definitions, and of the shared ones those that something uses."""
    brew = "/opt/homebrew/bin:" if system == "macos" else ""
    path = f'PATH="$DIR/bin:$HOME/.local/bin:{brew}$PATH"'
    text = "\n".join([*kit.definitions, path, *kit.closing, *(line for s in steps for line in (s.check, *s.lines))])
    kept: list[str] = []
    for name, line in reversed(DEFINITIONS.items()):
        if name in text and not any(line.startswith(name) for line in kit.definitions):
            kept.insert(0, line)
            text += line
    first = [line for line in kept if line.startswith("DIR=")]
    rest = [line for line in kept if not line.startswith("DIR=")]
    return (*first, path, *kit.definitions, *rest)
