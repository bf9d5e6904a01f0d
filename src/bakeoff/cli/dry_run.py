"""Foreseeing a plan on this machine: shown with ``--dry-run``, and what of a suite is left out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import structs

from bakeoff.errors import UsageError
from bakeoff.units import plain_text

if TYPE_CHECKING:
    from bakeoff.report.dry_run import DryRun
    from bakeoff.run.plan import Entrant, Plan, Protocol
    from bakeoff.workload.asked import Asked


def foresee(plan: Plan, what: str, *, try_anyway: bool = False) -> DryRun:
    """What the plan will take on this machine; nothing is skipped with ``try_anyway``."""
    from bakeoff.analysis.foreseen import Counts, Foreseer, with_room
    from bakeoff.cli.history import learned_here
    from bakeoff.folders import cache_folder
    from bakeoff.hardware.detect import this_machine
    from bakeoff.hardware.disk import disk_of
    from bakeoff.hardware.host import this_host
    from bakeoff.report.dry_run import DryRun

    machine, disk, protocol = this_machine(), disk_of(cache_folder()), plan.protocol
    foreseer = Foreseer(machine, learned_here(this_host()), disk.kind, _held(plan))
    counts = Counts(fewest=protocol.runs or protocol.fewest, most=protocol.most_trials, warm_ups=protocol.warm_ups)
    starts = [foreseer(each.subject, each.options, _suited(each), counts) for each in plan.entrants]
    starts = with_room(starts, disk.free_bytes)
    if try_anyway:
        starts = [structs.replace(start, skip=False) for start in starts]
    return DryRun(
        what=what,
        machine=machine.name,
        starts=starts,
        time_budget_s=protocol.time_budget_s,
        free_bytes=disk.free_bytes,
        trials=_trials(protocol),
    )


def _suited(entrant: Entrant) -> list[Asked]:
    """What is asked; where that is left to the model, what it will be."""
    from bakeoff.run.plan import DEFAULT_SYNTHETIC_TOKENS
    from bakeoff.workload.prompts import ARTICLE

    found: list[Asked] = []
    for asked in entrant.asked:
        if asked.prompt or asked.prompt_tokens or asked.shape:
            found.append(asked)
        elif entrant.options.synthetic:
            name = f"synthetic prompt, {DEFAULT_SYNTHETIC_TOKENS} tokens"
            found.append(structs.replace(asked, name=name, prompt_tokens=DEFAULT_SYNTHETIC_TOKENS))
        else:
            found += [structs.replace(asked, name=prompt.name, prompt=prompt.text) for prompt in ARTICLE]
    return found


def show_dry_run(run: DryRun, as_json: bool) -> int:
    """Print it; the exit code."""
    from bakeoff.report.dry_run import dry_run_document, print_dry_run

    if as_json:
        from bakeoff.cli.show import json_text

        click.echo(json_text(dry_run_document(run)), nl=False)
        return 0
    from bakeoff.cli.screen import screen

    print_dry_run(run, screen())
    return 0


def without_skipped(plan: Plan, run: DryRun) -> tuple[Plan, list[tuple[str, str]]]:
    """What is left of a plan, and each subject left out with its reason, which is said to the user.

    Raises UsageError where nothing is left.
    """
    left_out = [(start.subject, f"left out: {start.reason}") for start in run.starts if start.skip]
    kept = [entrant for entrant, start in zip(plan.entrants, run.starts, strict=True) if not start.skip]
    for subject, reason in left_out:
        click.echo(f"! {plain_text(subject)} is {plain_text(reason)}. To try even so: --try-anyway", err=True)
    if not kept:
        raise UsageError(
            f"Of {run.what[:1].lower()}{run.what[1:]} nothing can be measured here. To try even so: --try-anyway."
        )
    return structs.replace(plan, entrants=tuple(kept)), left_out


def _trials(protocol: Protocol) -> str:
    if protocol.runs is not None:
        return f"{protocol.runs} trial{'' if protocol.runs == 1 else 's'} each"
    return f"{protocol.fewest} to {protocol.most} trials each, until within ±{100 * protocol.precision:g} %"


def _held(plan: Plan) -> frozenset[str]:
    """Names of what is here: Ollama's models, repositories in Hugging Face's cache, files of random weights."""
    from bakeoff.folders import cache_folder

    engines = {entrant.subject.engine for entrant in plan.entrants}
    held = {path.name for path in cache_folder().glob("synthetic-*.gguf")}
    if "ollama" in engines:
        from bakeoff.engines.discover import ollama_models

        held |= set(ollama_models(plan.entrants[0].options.url))
    if engines & {"vllm", "mlx"}:
        held |= {path.name.removeprefix("models--").replace("--", "/") for path in _hub().glob("models--*")}
    return frozenset(held)


def _hub() -> Path:
    """The folder of Hugging Face's cache, by its own variables."""
    home: Any = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
