"""``bakeoff demo``: the main job, on this machine, in about a minute."""

from __future__ import annotations

from typing import Any

import click

from bakeoff.cli.run import measuring_options

TRIALS, WARM_UPS, TOKENS, CONTEXT = 5, 3, 64, 1024


@click.command("demo")
@measuring_options
def command(as_json: bool, seed: int, **_: Any) -> int:
    """Measure a small real model and a synthetic R1 distill on this machine.

    SmolLM2-135M (real weights) answers a word problem and a coding task; DeepSeek-R1-Distill-Qwen-1.5B at
    Q4_K_M (random weights in its exact shape: real speed and memory, no answers) reads and writes tokens.
    """
    from bakeoff.cli.measuring import measure
    from bakeoff.engines.options import EngineOptions
    from bakeoff.engines.subjects import parse_subject
    from bakeoff.run.plan import Entrant, Plan, Protocol
    from bakeoff.workload.asked import Asked

    asked = (Asked(max_tokens=TOKENS, context=CONTEXT),)
    real = Entrant(parse_subject("llamacpp:smollm2"), EngineOptions(context=CONTEXT), asked)
    synthetic = EngineOptions(context=CONTEXT, synthetic=True)
    twin = Entrant(parse_subject("llamacpp:r1-1.5b@Q4_K_M"), synthetic, asked)
    code = measure(Plan((real, twin), Protocol(runs=TRIALS, warm_ups=WARM_UPS, seed=seed)), as_json)
    if code == 0 and not as_json:
        click.echo("\nWhich model to take on this machine, and why: bakeoff advise")
    return code
