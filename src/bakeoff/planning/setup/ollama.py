"""Ollama: its installer, its service, a tag of its library."""

from __future__ import annotations

from bakeoff.planning.placement import offloaded
from bakeoff.planning.setup.common import ANSWER_TOKENS, question_step
from bakeoff.planning.setup.steps import Kit, Step, Target, failing

DRIVER = 531
"""From docs/gpu.mdx of November 2026: driver 531, compute capability 5.0."""


def ollama_kit(target: Target) -> Kit:
    """Where layers are split, a variant of the tag fixes how many go to the GPU; elsewhere Ollama decides."""
    weights = target.chosen.weights
    model, split = weights.name, []
    if target.chosen.fit.fits == "split":
        layers = offloaded(target.chosen.fit.gpu_layers)
        model = f"{weights.arch.short}-{weights.quant.lower()}-gpu{layers}"
        split = [_variant(weights.name, model, layers, target)]
    options = {"num_ctx": target.context, "num_predict": ANSWER_TOKENS}
    return Kit(
        definitions=(
            'PORT="${PORT:-11434}"',
            'export OLLAMA_HOST="127.0.0.1:$PORT"',
            'LOG="$DIR/ollama.log"',
            'is_ready() { curl -fsS --max-time 5 -o /dev/null "http://$OLLAMA_HOST/api/version"; } 2> /dev/null',
        ),
        steps=(_install(target), _serve(), _pull(target), *split),
        question=question_step(model, "/api/chat", stream=False, options=options),
        subject=f"ollama:{model} --context {target.context}",
        closing=(f"echo 'Ollama keeps the model for 5 minutes. Unload it now with: ollama stop {model}'",),
        tools=(("curl", "curl"),),
        driver=DRIVER,
    )


def _install(target: Target) -> Step:
    return Step(
        title="Ollama",
        why="By its own installer, which asks for your password where it needs it.",
        check="command -v ollama > /dev/null",
        lines=(
            'curl -fsSL https://ollama.com/install.sh -o "$DIR/ollama-install.sh"',
            'sh "$DIR/ollama-install.sh"',
        ),
        needs_root=target.system == "linux",
    )


def _serve() -> Step:
    return Step(
        title="Ollama, started and answering",
        why="The installer starts it where it can; here it is started where it does not run.",
        check="is_ready",
        lines=(
            'nohup ollama serve > "$LOG" 2>&1 < /dev/null &',
            "for _ in $(seq 60); do",
            "  if is_ready; then break; fi",
            "  sleep 1",
            "done",
            'is_ready || fail "Ollama does not answer at $URL. The end of $LOG: $(tail -n 3 "$LOG")"',
        ),
    )


def _pull(target: Target) -> Step:
    weights = target.chosen.weights
    tags = f"https://ollama.com/library/{weights.name.partition(':')[0]}/tags"
    return Step(
        title=f"The weights, as {weights.name}",
        why="The long tag names one quantization of one model for good; short ones move.",
        check=f"ollama show {weights.name} > /dev/null 2>&1",
        lines=failing(
            f"The pull failed. Is the network up, and the tag still on {tags}?", f"ollama pull {weights.name}"
        ),
        bytes=weights.download_bytes,
    )


def _variant(tag: str, name: str, layers: int, target: Target) -> Step:
    return Step(
        title=f"A variant with {layers} layers on the GPU: {name}",
        why=f"num_gpu counts the output as a layer; planned: {target.chosen.note}.",
        check=f"ollama show {name} > /dev/null 2>&1",
        lines=(
            f"printf 'FROM %s\\nPARAMETER num_gpu %s\\nPARAMETER num_ctx %s\\n' {tag} {layers} {target.context} \\",
            '  > "$DIR/Modelfile"',
            f'ollama create {name} -f "$DIR/Modelfile"',
        ),
    )
