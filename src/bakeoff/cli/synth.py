"""``bakeoff synth``: a model file of random weights in a real model's exact shape."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("synth")
@click.argument("model", metavar="MODEL[@QUANT]")
@click.option("-o", "--folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), show_default="here",
              help="Where to write it.")  # fmt: skip
@click.option("--like", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
              help="Tensor types as in this GGUF file.")  # fmt: skip
def command(model: str, folder: Path, like: Path | None) -> None:
    """Write a GGUF file in MODEL's shape, at Q4_K_M unless QUANT is named; print its path.

    MODEL is a short name (r1-7b, llama-3-8b, …) or a GGUF file whose shape is taken. llama.cpp runs the file with
    the speed and memory of the real model. Its answers are noise.

    \b
      bakeoff synth r1-1.5b@Q4_0
    """
    from bakeoff.cli.live import LiveProgress
    from bakeoff.models.catalogue import find
    from bakeoff.models.gguf import architecture_of, read_header
    from bakeoff.models.synthetic import synthesize

    name, _, quant = model.rpartition("@") if "@" in model else (model, "", "Q4_K_M")
    is_file = name.lower().endswith(".gguf")
    arch = architecture_of(read_header(Path(name))) if is_file else find(name)
    with LiveProgress() as live:
        what = f"Writing synthetic weights of {arch.short or arch.name}"
        path = synthesize(
            arch,
            quant,
            folder,
            like=read_header(like) if like else None,
            progress=lambda done, total: live.bytes_done(what, done, total),
        )
    click.echo(path)
