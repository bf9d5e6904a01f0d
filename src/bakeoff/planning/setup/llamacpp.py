"""llama.cpp: built for this machine's GPU on Linux, from Homebrew on a Mac; one GGUF file; llama-server."""

from __future__ import annotations

from bakeoff.planning.placement import offloaded
from bakeoff.planning.setup.common import (
    ANSWER_TOKENS,
    download_step,
    model_path,
    question_step,
    server_step,
    token_steps,
    uv_step,
)
from bakeoff.planning.setup.steps import Kit, Step, Target, failing

DRIVER = 525
"""What programs built with CUDA 12 need (NVIDIA, CUDA Compatibility, table 1)."""
TOOLKIT = "12-9"
"""NVIDIA's package of the last CUDA that knows GPUs before Turing, and knows those since."""

SOURCE = "https://github.com/ggml-org/llama.cpp"
_CLONE = f'git clone --depth 1 {SOURCE} "$DIR/llama.cpp"'
_BACKEND = {"nvidia": ("CUDA", " -DGGML_CUDA=ON"), "vulkan": ("Vulkan", " -DGGML_VULKAN=ON"), "cpu": ("", "")}


def llamacpp_kit(target: Target) -> Kit:
    """``llama-server`` with the layers that were planned on the GPU."""
    weights = target.chosen.weights
    name = f"{weights.arch.short}@{weights.quant}"
    install = [_brew()] if target.system == "macos" else [*_toolkit(target), _build(target)]
    return Kit(
        definitions=(
            *(('PATH="/usr/local/cuda/bin:$PATH"',) if target.kind == "nvidia" else ()),
            'PORT="${PORT:-8080}"',
            f'MODEL="{model_path(weights)}"',
            'LOG="$DIR/llama-server.log"',
            f'PID_FILE="$DIR/llama-server-{name.replace("@", "-")}.pid"',
        ),
        steps=(
            *install,
            uv_step(),
            *token_steps(weights),
            download_step(weights),
            server_step(
                "llama-server",
                _command(target, name),
                f"Planned: {target.chosen.note}." if target.chosen.fit.fits == "split" else "It loads the model first.",
                "Where it ran out of memory, lower -c or -ngl.",
            ),
        ),
        question=question_step(name, max_tokens=ANSWER_TOKENS, temperature=0.6),
        subject=f'llamacpp:{name} --url "$URL"',
        closing=('echo "llama-server goes on. Stop it with: kill $(cat "$PID_FILE")"',),
        tools=_tools(target),
        driver=DRIVER,
    )


def _tools(target: Target) -> tuple[tuple[str, str], ...]:
    """What the build calls, with the packages of llama.cpp's docs/build.md."""
    tools = [("curl", "curl"), ("git", "git"), ("cmake", "cmake"), ("c++", "build-essential")]
    if target.kind == "vulkan":
        tools.append(("glslc", "glslc libvulkan-dev spirv-headers"))
    return tuple(tools)


def _command(target: Target, name: str) -> tuple[str, ...]:
    fit = target.chosen.fit
    layers = offloaded(fit.gpu_layers) if fit.fits == "split" else 999
    gpu = "" if target.kind == "cpu" else f"-ngl {layers} "
    return (
        'llama-server -m "$MODEL"',
        f'--alias {name} --host 127.0.0.1 --port "$PORT"',
        f"-c {target.context} {gpu}-fa on --parallel 1",
    )


def _brew() -> Step:
    return Step(
        title="llama.cpp",
        why="Homebrew has it ready-made, with Metal.",
        check="command -v llama-server > /dev/null",
        lines=(
            *failing("Install Homebrew first: https://brew.sh", "command -v brew > /dev/null"),
            "brew install llama.cpp",
        ),
    )


def _toolkit(target: Target) -> list[Step]:
    if target.kind != "nvidia":
        return []
    return [
        Step(
            title=f"CUDA toolkit {TOOLKIT.replace('-', '.')}, to build with",
            why="With its compiler llama.cpp is built for this GPU.",
            check="command -v nvcc > /dev/null",
            lines=(
                "# shellcheck source=/dev/null",
                'distribution="$(. /etc/os-release && echo "$ID${VERSION_ID//./}")"',
                *failing(
                    "Install the CUDA toolkit from https://developer.nvidia.com/cuda-downloads and run this again.",
                    '[ "${distribution#ubuntu}" != "$distribution" ]',
                ),
                'if [ "$(uname -m)" = aarch64 ]; then machine=sbsa; else machine=x86_64; fi',
                "packages=https://developer.download.nvidia.com/compute/cuda/repos",
                'curl -fsSL "$packages/$distribution/$machine/cuda-keyring_1.1-1_all.deb" -o "$DIR/cuda-keyring.deb"',
                'as_root dpkg -i "$DIR/cuda-keyring.deb"',
                "as_root apt-get update",
                f"as_root apt-get install -y cuda-toolkit-{TOOLKIT}",
            ),
            needs_root=True,
        )
    ]


def _build(target: Target) -> Step:
    device, flag = _BACKEND[target.kind]
    check = "command -v llama-server > /dev/null"
    if device:
        check = f'[[ "$(llama-server --list-devices 2> /dev/null)" == *{device}* ]]'
    return Step(
        title=f"llama-server, built with {device}" if device else "llama-server",
        why="Built here, it uses all that this machine has; that takes minutes.",
        check=check,
        lines=(
            'if [ ! -d "$DIR/llama.cpp" ]; then',
            *(f"  {line}" for line in failing(f"Is the network up, and {SOURCE} still there?", _CLONE)),
            "fi",
            'cmake -S "$DIR/llama.cpp" -B "$DIR/llama.cpp/build" \\',
            f"  -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF{flag}",
            'cmake --build "$DIR/llama.cpp/build" --target llama-server -j "$(nproc)"',
            'mkdir -p "$DIR/bin"',
            'ln -sf "$DIR/llama.cpp/build/bin/llama-server" "$DIR/bin/llama-server"',
            "hash -r",
        ),
    )
