"""How many tokens an answer may have where the user does not say: by the speed that is foreseen on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from bakeoff.engines.subjects import SubjectText
    from bakeoff.run.plan import Plan
    from bakeoff.run.quality_plan import Quality


def token_budget(plan: Plan, quality: Quality, prompts: Sequence[str]) -> Quality:
    """The same with a budget that suits every subject; the user is told which and why."""
    from msgspec import structs

    from bakeoff.cli.dry_run import foresee
    from bakeoff.quality.sampling import ADVISED_TOKENS, USUAL_TOKENS, budget, prompt_room
    from bakeoff.units import seconds_text, significant
    from bakeoff.workload.asked import Asked

    room = prompt_room(prompts)
    asked = Asked(name="tasks", prompt=max(prompts, key=len), max_tokens=USUAL_TOKENS, context=USUAL_TOKENS + room)
    entrants = tuple(structs.replace(entrant, asked=(asked,)) for entrant in plan.entrants)
    starts = foresee(structs.replace(plan, entrants=entrants), "these subjects").starts
    speeds = [figure.point if (figure := start.cells[0].decode_tps) else None for start in starts]
    tokens = min(
        budget(speed, _trained(entrant.subject), room) for speed, entrant in zip(speeds, plan.entrants, strict=True)
    )
    known = [speed for speed in speeds if speed is not None]
    pace = (
        f", some {seconds_text(tokens / min(known), 2)} at the {significant(min(known), 2)} tokens/s foreseen"
        if known
        else ""
    )
    less = "" if tokens >= ADVISED_TOKENS else f"; authors of reasoning models advise {ADVISED_TOKENS:,}"
    click.echo(f"An answer may have {tokens:,} tokens{pace} (--max-tokens){less}.", err=True)
    return structs.replace(quality, sampling=structs.replace(quality.sampling, max_tokens=tokens))


def _trained(subject: SubjectText) -> int | None:
    """The context that the model was trained to, where that is known before it runs."""
    from bakeoff.models.catalogue import MODELS, find
    from bakeoff.models.smollm2 import smollm2_file
    from bakeoff.planning.sources import sources_of

    try:
        if subject.model.lower() in MODELS:
            return find(subject.model).max_position
        if subject.engine != "llamacpp":
            return None
        path = str(smollm2_file()) if subject.model == "smollm2" else subject.model
        return sources_of(path, ())[0].architecture.max_position
    except BakeoffError:
        return None
