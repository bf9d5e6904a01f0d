"""``bakeoff advise``: what to take, in a paragraph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bakeoff.cli.option_types import Tokens
from bakeoff.cli.plan import CONTEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.analysis.advice import Load, Site

_RANGE = "N|LOW-HIGH"
QUANTS = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
"""Those that are published of nearly every model."""
_COST = ("run", "model", "answer_tokens", "thinking_tokens", "resale", "at", "watts", "idle_watts", "tps",
         "prefill_tps", "peak_hour_share", "electricity", "electricity_price")  # fmt: skip
"""What ``bakeoff cost`` asks beside: left to it."""
_LOAD = ("calls_per_day", "tokens_in", "tokens_out", "api", "api_input_price", "api_output_price", "hardware_price",
         "life_years")  # fmt: skip


@click.command("advise", short_help="What do I take, and why?")
@click.argument("models", nargs=-1, metavar="[MODEL[@QUANT]]…")
@click.option("--on", "hardware", multiple=True, metavar="HARDWARE[,…]",
              help="Not this machine but rtx-4090, m3-max-48gb, …; between several, the best of them.")  # fmt: skip
@click.option("--need-tps", type=click.FloatRange(0.01, 100_000), metavar="N",
              help="Tokens per second that you need.  [default: 10]")  # fmt: skip
@click.option("--need-context", "--context", "need_context", type=Tokens(), default=CONTEXT, show_default=True,
              metavar="N", help="Context that you need, such as 32k.")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 1024), default=1, metavar="N", show_default=True,
              help="Streams at once.")  # fmt: skip
@click.option("--calls-per-day", metavar=_RANGE, help="Your load, to hold an API against the hardware.")
@click.option("--tokens-in", metavar=_RANGE, help="Tokens of a prompt.")
@click.option("--tokens-out", metavar=_RANGE, help="Tokens generated a call, the thinking with them.")
@click.option("--api", metavar="PROVIDER:MODEL", help="An API's prices by name, such as deepseek:deepseek-reasoner.")
@click.option("--api-input-price", metavar=_RANGE, help="Or given: of a million tokens in …")
@click.option("--api-output-price", metavar=_RANGE, help="… and out.")
@click.option("--hardware-price", metavar=_RANGE, help="Price of the whole computer.")
@click.option("--life-years", metavar=_RANGE, help="How long it lasts.")
@click.option("--currency", metavar="CODE", help="Currency of prices without one.  [default: USD]")
@click.option("--rate", "rates", multiple=True, metavar="CODE=USD", help="What one EUR, … is worth in US dollars.")
@click.option("--explain", is_flag=True, help="Each sentence's rule, its inputs and where they are from.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def command(models: tuple[str, ...], explain: bool, as_json: bool, **options: Any) -> int:
    """Name the model, quantization, engine and settings to take, why, what that gives up, and what would change it.

    \b
      bakeoff advise
      bakeoff advise --on rtx-4090,m3-max-48gb --need-context 16k
      bakeoff advise r1-7b r1-14b --on rtx-4090 --concurrency 16
      bakeoff advise --on rtx-4090 --calls-per-day 50 --tokens-out 1000 --api-output-price 2.19 --hardware-price 3000

    Without MODEL: the whole R1 family. What your own runs measured on this machine goes before what is predicted.
    """
    from bakeoff.analysis.advice import advise
    from bakeoff.hardware.dated import old_note, specifications
    from bakeoff.planning.choice import INTERACTIVE_TPS, Needs
    from bakeoff.planning.rows import Asked

    asked = Asked(context=options["need_context"], streams=options["concurrency"])
    needs = Needs(tps=options["need_tps"] or INTERACTIVE_TPS, context=options["need_context"])
    sites, (load, notes) = _sites(models, asked, needs, options["hardware"]), _load(options)
    came = advise(sites, asked, needs, load)
    old = old_note([each for site in sites for each in specifications(site.machine)])
    notes = [*notes, *([old] if old else [])]
    if as_json:
        from bakeoff.cli.show import json_text
        from bakeoff.report.advise import advice_document

        click.echo(json_text(advice_document(came, notes)), nl=False)
        return 0
    from bakeoff.cli.screen import screen
    from bakeoff.report.advise import print_advice

    print_advice(came, screen(), explain=explain, notes=notes)
    return 0


def _sites(models: tuple[str, ...], asked: Any, needs: Any, hardware: tuple[str, ...]) -> list[Site]:
    from bakeoff.analysis.advice import Evidence, Site, evidence
    from bakeoff.cli.history import recent_runs
    from bakeoff.cli.plan import MLX_QUANTS, learned_of, machines_of, planned_sources
    from bakeoff.hardware.host import this_host
    from bakeoff.planning.rows import plan

    plain = {"hardware": hardware, "host_memory": None, "host_bandwidth": None, "budget": None, "prices": ()}
    sites = []
    for machine, _ in machines_of(plain):
        apple = bool(machine.devices) and machine.devices[0].vendor == "apple"
        sources = planned_sources(models, (*QUANTS, *MLX_QUANTS) if apple else QUANTS)
        rows = plan(machine, sources, asked, needs, learned_of(machine))
        found = evidence(recent_runs(), this_host()) if machine.is_this else Evidence()
        sites.append(Site(machine=machine, sources=sources, rows=rows, found=found))
    return sites


def _load(options: dict[str, Any]) -> tuple[Load | None, Sequence[str]]:
    """The load and its prices, where any was given, and what has to be known of them. Raises UsageError."""
    if all(options[name] is None for name in _LOAD):
        return None, ()
    from bakeoff.analysis.advice import Load
    from bakeoff.cli.cost_inputs import gathered

    found = gathered({**dict.fromkeys(_COST), **options, "on": None})
    return Load(case=found.case, currency=found.currency, contained=found.contained), found.notes
