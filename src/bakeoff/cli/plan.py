"""``bakeoff plan``: what fits, how fast, and which quantization, before anything is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bakeoff.cli.option_types import Tokens
from bakeoff.errors import UsageError
from bakeoff.units import GIB

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Machine
    from bakeoff.hardware.prices import Price
    from bakeoff.report.plan import MachinePlan

QUANTS = ("Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
MLX_QUANTS = ("4bit", "8bit")
CONTEXT = 4096


@click.command("plan", short_help="What fits, how fast, and which quantization do I take?")
@click.argument("models", nargs=-1, metavar="[MODEL[@QUANT]]…")
@click.option("--on", "hardware", multiple=True, metavar="HARDWARE[,…]",
              help="Not this machine but rtx-4090, m3-max-48gb, 2x-rtx-3090, cpu:ddr5-5600x2, …")  # fmt: skip
@click.option("--context", type=Tokens(), metavar="N", help=f"Context length, such as 32k.  [default: {CONTEXT}]")
@click.option("--engine", type=click.Choice(["llamacpp", "ollama", "vllm", "mlx"]),
              help="What is to run it.  [default: llamacpp]")  # fmt: skip
@click.option("--concurrency", type=click.IntRange(1, 1024), default=1, metavar="N", show_default=True,
              help="Streams at once.")  # fmt: skip
@click.option("--kv-type", type=click.Choice(["f16", "q8_0", "q4_0"], case_sensitive=False), default="f16",
              show_default=True, help="Element type of the cache.")  # fmt: skip
@click.option("--flash-attention/--no-flash-attention", default=True, show_default=True,
              help="Without it, buffers are larger.")  # fmt: skip
@click.option("--host-memory", type=click.FloatRange(1, 65_536), metavar="GB", help="Memory of a named GPU's host.")
@click.option("--host-bandwidth", type=click.FloatRange(1, 10_000), metavar="GB/S", help="And its bandwidth.")
@click.option("--need-tps", type=click.FloatRange(0.01, 100_000), metavar="N",
              help="Tokens per second that you need.  [default: 10]")  # fmt: skip
@click.option("--need-context", type=Tokens(), metavar="N", help="Context that you need, if other than --context.")
@click.option("--budget", type=click.FloatRange(1, 10_000_000), metavar="USD",
              help="Which hardware? Compare what is to be had for so much.")  # fmt: skip
@click.option("--price", "prices", multiple=True, metavar="HARDWARE=USD", help="Your own price, for --budget.")
@click.option("--calibrate", is_flag=True, help="Measure this machine's memory bandwidth first, and keep it.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def command(models: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Say what fits on a machine, with how much context, how fast, and which quantization to take.

    \b
      bakeoff plan
      bakeoff plan r1-7b r1-14b@Q8_0 --on rtx-4090 --on m3-max-48gb
      bakeoff plan r1-70b --context 32k --kv-type q8_0
      bakeoff plan ./model.gguf
      bakeoff plan r1-32b --budget 2500 --need-tps 10

    MODEL is a short name (r1-1.5b … r1-671b, llama-3-8b, qwen3-14b, …), a GGUF or safetensors file or folder, a
    config.json, or one on a server (https://…, hf:OWNER/NAME[:FILE]), of which only the header is read. Without
    one: the whole R1 family. Without @QUANT: the usual quantizations.
    """
    from bakeoff.planning.choice import INTERACTIVE_TPS, Needs
    from bakeoff.planning.rows import Asked

    if options["calibrate"]:
        _calibrate()
    needed = options["need_context"] or options["context"] or CONTEXT
    asked = Asked(
        context=options["context"] or needed,
        engine=options["engine"] or "llamacpp",
        streams=options["concurrency"],
        kv_type=options["kv_type"].upper(),
        flash_attention=options["flash_attention"],
    )
    needs = Needs(tps=options["need_tps"] or INTERACTIVE_TPS, context=needed)
    plans = _plans(models, asked, needs, options)
    if as_json:
        from bakeoff.cli.show import json_text
        from bakeoff.report.plan import plan_document

        click.echo(json_text(plan_document(plans)), nl=False)
    else:
        from bakeoff.cli.screen import screen
        from bakeoff.report.plan import print_plan

        print_plan(plans, asked, needs, screen())
    return 0


def _plans(models: tuple[str, ...], asked: Any, needs: Any, options: dict[str, Any]) -> list[MachinePlan]:
    from msgspec import structs

    from bakeoff.planning.rows import plan
    from bakeoff.report.plan import MachinePlan

    machines = machines_of(options)
    quants: tuple[str, ...] = QUANTS
    if asked.engine == "mlx":
        quants = MLX_QUANTS
    elif all(machine.devices and machine.devices[0].vendor == "apple" for machine, _ in machines):
        quants = (*QUANTS, *MLX_QUANTS)
    sources, old = planned_sources(models, quants), _old(machines)
    return [
        MachinePlan(
            machine=structs.replace(machine, notes=(*machine.notes, *old)),
            rows=plan(machine, sources, asked, needs, learned_of(machine)),
            price=price.described if price else "",
        )
        for machine, price in machines
    ]


def _old(machines: list[tuple[Machine, Price | None]]) -> tuple[str, ...]:
    """The note that says which specifications and prices are old, where some are."""
    from bakeoff.hardware.dated import Dated, old_note, specifications

    dated = [each for machine, _ in machines for each in specifications(machine)]
    dated += [Dated("price", price.hardware, price.date) for _, price in machines if price]
    note = old_note(dated)
    return (note,) if note else ()


def learned_of(machine: Machine) -> dict[Any, Any]:
    """What this machine's runs taught; nothing of any other's."""
    if not machine.is_this:
        return {}
    from bakeoff.cli.history import learned_here
    from bakeoff.hardware.host import this_host

    return learned_here(this_host())


def machines_of(options: dict[str, Any]) -> list[tuple[Machine, Price | None]]:
    """The machines to plan for, each with its price where a budget was given."""
    from bakeoff.hardware.catalogue import find_machine
    from bakeoff.hardware.detect import this_machine

    names = [name for text in options["hardware"] for name in text.split(",") if name.strip()]
    memory = round(options["host_memory"] * GIB) if options["host_memory"] else None
    bandwidth = options["host_bandwidth"] * 1e9 if options["host_bandwidth"] else None
    if options["budget"]:
        return [
            (find_machine(price.hardware, memory, bandwidth), price)
            for price in _affordable(options["budget"], options["prices"], names)
        ]
    if options["prices"]:
        raise UsageError("--price is for --budget: name one.")
    if names:
        return [(find_machine(name, memory, bandwidth), None) for name in names]
    if memory or bandwidth:
        raise UsageError("--host-memory and --host-bandwidth are a named GPU's host: add --on HARDWARE.")
    return [(this_machine(), None)]


def _affordable(budget: float, own: tuple[str, ...], names: list[str]) -> list[Price]:
    from bakeoff.hardware.prices import prices

    priced = prices(own)
    if names:
        wanted = {name.strip().lower() for name in names}
        unpriced = wanted - {price.hardware for price in priced}
        if unpriced:
            missing = ", ".join(sorted(unpriced))
            raise UsageError(f"No price is known for {missing}. Give one with --price {missing.split(', ')[0]}=USD.")
        priced = [price for price in priced if price.hardware in wanted]
    found = [price for price in priced if price.usd <= budget]
    if not found:
        cheapest = f" The cheapest is {priced[0].described}." if priced else ""
        raise UsageError(f"Nothing with a known price is to be had for ${budget:,.0f}.{cheapest}")
    return found


def planned_sources(models: tuple[str, ...], quants: tuple[str, ...]) -> list[Any]:
    from bakeoff.models.catalogue import R1_FAMILY
    from bakeoff.planning.sources import sources_of

    wanted = models or tuple(model.short for model in R1_FAMILY)
    return [source for text in wanted for source in sources_of(text, quants)]


def _calibrate() -> None:
    from bakeoff.hardware.detect import calibrate_this_machine
    from bakeoff.hardware.memory_speed import save

    click.echo("Measuring this machine's memory bandwidth …", err=True)
    found = calibrate_this_machine()
    save(found)
    click.echo(f"{found.median_bytes_s / 1e9:.1f} GB/s sustained.", err=True)
