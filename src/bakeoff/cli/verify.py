"""``bakeoff verify``: do published figures hold, against physics, the planner, others' measurements and your own?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bakeoff.analysis.claims.claim import Claims
    from bakeoff.analysis.claims.measured import Measured

DEFAULT = ("article",)


@click.command("verify", short_help="Do published figures hold?")
@click.argument("claims", metavar="[CLAIMS]…", nargs=-1)
@click.option("--run", "runs", multiple=True, metavar="RUN", help="Your own run, as evidence; may be repeated.")
@click.option("--only", multiple=True, metavar="ID", help="This claim alone, with all its evidence; may be repeated.")
@click.option("--explain", is_flag=True, help="All evidence, with formulas, inputs and their sources.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
@click.option("--schema", is_flag=True, help="Write the JSON Schema of a file of claims.")
def command(
    claims: tuple[str, ...], runs: tuple[str, ...], only: tuple[str, ...], explain: bool, as_json: bool, schema: bool
) -> int:
    """Check a publication's claims one by one: each holds, does not, is impossible, or cannot be checked here.

    \b
      bakeoff verify
      bakeoff verify --only decode_m3_70b_q4 --explain
      bakeoff verify mine.toml --run last

    CLAIMS is a TOML file, or a name of the package: 'article' (the one taken without any), 'apple-14b'. The evidence
    comes from four sources, kept apart: arithmetic, your own runs, others' measurements, the planner. Nothing in a file
    of claims is run or fetched. Exit code 0, whatever the verdicts. docs/claims.md tells how to write one.
    """
    from bakeoff.cli.show import json_text

    if schema:
        from bakeoff.analysis.claims.claims_file import schema as claims_schema

        click.echo(json_text(claims_schema(), indent=2), nl=False)
        return 0
    from bakeoff.analysis.claims.claims_file import read_claims
    from bakeoff.analysis.claims.verify import specifications_of, verify
    from bakeoff.hardware.dated import old_note
    from bakeoff.report.verify import VerifiedSet, print_verified, verify_document

    read = [read_claims(text) for text in claims or DEFAULT]
    _check_only(only, read)
    cells = _cells(runs)
    found = [VerifiedSet(claims=one, checked=verify(one, cells, only)) for one in read]
    sets = [one for one in found if one.checked]
    old = old_note(specifications_of([each for one in sets for each in one.checked]))
    notes = [old] if old else []
    if as_json:
        click.echo(json_text(verify_document(sets, notes)), nl=False)
        return 0
    from bakeoff.cli.screen import screen

    print_verified(sets, screen(), explain or bool(only), notes)
    return 0


def _check_only(only: Sequence[str], read: Sequence[Claims]) -> None:
    import difflib

    known = [name for one in read for name in one.stated]
    for name in only:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.5)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Without --only, all are listed."
            raise UsageError(f"There is no claim {name!r} in {', '.join(one.name for one in read)}. {hint}")


def _cells(runs: Sequence[str]) -> list[Measured]:
    if not runs:
        return []
    from bakeoff.analysis.claims.measured import measured_cells
    from bakeoff.folders import runs_folder
    from bakeoff.results.runfile import read_run
    from bakeoff.results.store import find_run

    return measured_cells([read_run(find_run(runs_folder(), run)) for run in dict.fromkeys(runs)])
