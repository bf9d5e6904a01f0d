"""``bakeoff cost``: what a machine costs against an API, and when the one has paid for the other."""

from __future__ import annotations

from typing import Any

import click

_RANGE = "N|LOW-HIGH"


@click.command("cost", short_help="When does the hardware pay off against an API?")
@click.option("--run", metavar="RUN[#CELL]", help="Rates, watts and tokens of a run: an ID, a file, or 'last'.")
@click.option("--model", metavar="MODEL[@QUANT]", help="Rates as 'bakeoff plan' predicts them.")
@click.option("--on", metavar="HARDWARE", help="The hardware of --model, and of the price where none is given.")
@click.option("--calls-per-day", metavar=_RANGE, help="The load.")
@click.option("--tokens-in", metavar=_RANGE, help="Tokens of a prompt.")
@click.option("--tokens-out", metavar=_RANGE, help="Tokens generated a call, the thinking with them.")
@click.option("--answer-tokens", metavar=_RANGE, help="Instead of --tokens-out: those of the answer …")
@click.option("--thinking-tokens", metavar=_RANGE, help="… and those of the thinking before it.")
@click.option("--hardware-price", metavar=_RANGE, help="Price of the whole computer.")
@click.option("--life-years", metavar=_RANGE, help="How long it lasts.")
@click.option("--resale", metavar=_RANGE, help="What it still fetches then.")
@click.option("--api", metavar="PROVIDER:MODEL", help="An API's prices by name, such as deepseek:deepseek-reasoner.")
@click.option("--at", metavar="TIME", help="With --api: prices of that time (UTC), where they depend on the hour.")
@click.option("--api-input-price", metavar=_RANGE, help="Or given: of a million tokens in …")
@click.option("--api-output-price", metavar=_RANGE, help="… and out.")
@click.option("--electricity", metavar="COUNTRY", help="A kWh at a country's household price: DE, US, …")
@click.option("--electricity-price", metavar=_RANGE, help="Or given: the price of a kWh.")
@click.option("--watts", metavar=_RANGE, help="What the machine draws while it generates, at the wall.")
@click.option("--idle-watts", metavar=_RANGE, help="And while it waits.")
@click.option("--tps", metavar=_RANGE, help="Tokens a second, of all streams together.")
@click.option("--prefill-tps", metavar=_RANGE, help="Prompt tokens a second.")
@click.option("--peak-hour-share", metavar="SHARE", help="Share of the calls in the busiest hour.  [default: 15%]")
@click.option("--currency", metavar="CODE", help="Currency of the sum and of prices without one.  [default: USD]")
@click.option("--rate", "rates", multiple=True, metavar="CODE=USD", help="What one EUR, … is worth in US dollars.")
@click.option("--explain", is_flag=True, help="Each figure's formula, its inputs and where they are from.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def command(explain: bool, as_json: bool, **options: Any) -> int:
    """Say what a load costs on a machine and by an API, and after how many months the machine has paid for itself.

    \b
      bakeoff cost --hardware-price 3000 --calls-per-day 500 --tokens-out 1000 --api-output-price 2.19
      bakeoff cost --run last --calls-per-day 500 --api deepseek:deepseek-reasoner --electricity US --life-years 4
      bakeoff cost --model r1-7b@q4_K_M --on rtx-4090 --calls-per-day 2000 --tokens-in 500 --tokens-out 1500 \\
        --watts 300-350 --idle-watts 60-90 --electricity DE --rate EUR=1.08 --api-output-price 2.19

    Numbers may be ranges, 300-350: figures then are, too. Amounts may name their currency: '0.31 EUR', '$2.19'. What
    is not given is left out of the sums, and named. Prices of your own are kept with 'bakeoff config'.
    """
    from bakeoff.cli.cost_inputs import gathered
    from bakeoff.economics.verdict import answer

    found = gathered(options)
    came = answer(found.case, found.currency, found.contained)
    if as_json:
        from bakeoff.cli.show import json_text
        from bakeoff.report.cost import cost_document

        click.echo(json_text(cost_document(came, found.notes)), nl=False)
        return 0
    from bakeoff.cli.screen import screen
    from bakeoff.report.cost import print_cost

    print_cost(came, found.notes, screen(), explain=explain)
    return 0
