"""What has to be there before an engine is: system, driver, memory, disk, tools."""

from __future__ import annotations

import re

from bakeoff.planning.setup.steps import Kit, Step, Target, failing
from bakeoff.planning.setup.weights import memory_words
from bakeoff.units import GIB, bytes_text

_SPARE_BYTES = 1_000_000_000
"""Disk space left free beside what is downloaded."""
_SAME = 0.95
"""A GPU or a machine is taken for the one that was planned for from this share of its nominal memory on."""


def ground_steps(target: Target, kit: Kit) -> list[Step]:
    """Everything up to the engine's own steps."""
    steps = [_folder(), _mac() if target.system == "macos" else _linux()]
    if target.system == "macos":
        steps.append(_mac_memory(target))
    elif target.kind == "nvidia":
        steps += [_driver(kit.driver or 0), *_gpu_memory(target)]
    elif target.kind == "vulkan":
        steps.append(_render_node())
    if target.system == "linux":
        steps += [*_processor(target), *_host_memory(target)]
    steps += [*_limit(target), _disk(target, kit)]
    return [*steps, _tools(dict(kit.tools))] if target.system == "linux" else steps


def disk_bytes(target: Target, kit: Kit) -> int:
    """What the set-up puts on the disk, as far as it is known."""
    return target.chosen.weights.download_bytes + (kit.disk_bytes or 0)


def _folder() -> Step:
    return Step(
        title="A folder for it all",
        why="BAKEOFF_SETUP_DIR names another one than ~/bakeoff-setup.",
        check='[ -d "$DIR" ]',
        lines=('mkdir -p "$DIR"',),
    )


def _linux() -> Step:
    return Step(
        title="Linux",
        why="What is downloaded below is made for it; where a package is missing, Ubuntu's is installed.",
        check='[ "$(uname -s)" = Linux ]',
        lines=failing("This script is for Linux. On Windows, run it inside WSL 2."),
    )


def _mac() -> Step:
    return Step(
        title="macOS 14 or newer on Apple silicon",
        why="Ollama and MLX ask for macOS 14 (Sonoma); Homebrew has llama.cpp ready-made from there on.",
        check='[ "$(uname -sm)" = "Darwin arm64" ] && [ "$(sw_vers -productVersion | cut -d . -f 1)" -ge 14 ]',
        lines=failing("This script is for a Mac with Apple silicon and macOS 14 or newer."),
    )


def _driver(least: int) -> Step:
    return Step(
        title=f"NVIDIA driver {least} or newer",
        why="Without it nothing computes on the GPU.",
        check="nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null |\n"
        f"  awk -F . '$1 < {least} {{ old = 1 }} END {{ exit old || NR == 0 }}'",
        lines=failing(
            f"No NVIDIA driver {least} or newer answers. On Ubuntu: sudo ubuntu-drivers install nvidia:580; "
            "then restart the machine and run this again."
        ),
        needs_root=True,
    )


def _gpu_memory(target: Target) -> list[Step]:
    if any(device.unified for device in target.machine.devices):
        return []  # the driver names no memory of its own
    mebibytes = round(sum(device.memory_bytes for device in target.machine.devices) * _SAME / 2**20)
    words = memory_words(target.machine)
    return [
        Step(
            title=f"{words} of GPU memory",
            why="What follows was planned for so much.",
            check="nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2> /dev/null |\n"
            f"  awk '{{ sum += $1 }} END {{ exit sum < {mebibytes} }}'",
            lines=failing(f"There is less than {words} of GPU memory here. Plan for what there is: leave --on out."),
        )
    ]


def _render_node() -> Step:
    return Step(
        title="A GPU that the kernel drives",
        why="AMD's and Intel's GPUs are reached by /dev/dri.",
        check="compgen -G '/dev/dri/renderD*' > /dev/null",
        lines=failing("There is no /dev/dri/renderD*: the GPU has no driver, or it is hidden from this system."),
    )


def _processor(target: Target) -> list[Step]:
    """AVX2, where the processor computes layers itself."""
    if target.kind != "cpu" and target.chosen.fit.fits != "split":
        return []
    return [
        Step(
            title="A processor with AVX2, or an ARM one",
            why="It computes layers itself.",
            check='[ "$(uname -m)" != x86_64 ] || grep -q -w avx2 /proc/cpuinfo',
            lines=failing("This processor has no AVX2: it is too old for this."),
        )
    ]


def _host_memory(target: Target) -> list[Step]:
    need = target.chosen.fit.host_bytes
    if need < GIB:
        return []
    return [
        Step(
            title=f"{bytes_text(need)} of memory",
            why="The layers that stay beside the GPU lie there." if target.gpus else "The model lies there.",
            check=f"awk '/^MemTotal:/ {{ total = $2 }} END {{ exit total < {need // 1024} }}' /proc/meminfo",
            lines=failing(f"This machine has less than {bytes_text(need)} of memory."),
        )
    ]


def _mac_memory(target: Target) -> Step:
    words = memory_words(target.machine)
    return Step(
        title=f"{words} of memory",
        why="What follows was planned for so much.",
        check=f'[ "$(sysctl -n hw.memsize)" -ge {round(target.machine.host.memory_bytes * _SAME)} ]',
        lines=failing(f"This Mac has less than {words}. Plan for what it has: leave --on out."),
    )


def _limit(target: Target) -> list[Step]:
    """What of a shared memory the GPU may use, raised where the model needs more."""
    condition = target.chosen.fit.condition
    if limit := re.search(r"iogpu\.wired_limit_mb=(\d+)", condition):
        return [
            Step(
                title=f"{int(limit[1]):,} MiB of memory for the GPU",
                why=f"The model fits {condition}.",
                check=f'[ "$(sysctl -n iogpu.wired_limit_mb)" -ge {limit[1]} ]',
                lines=(f"sudo sysctl iogpu.wired_limit_mb={limit[1]}",),
                needs_root=True,
            )
        ]
    if pages := re.search(r"ttm\.pages_limit=(\d+)", condition):
        return [
            Step(
                title="More of the memory for the GPU",
                why=f"The model fits {condition}.",
                check=f'[ "$(cat /sys/module/ttm/parameters/pages_limit)" -ge {pages[1]} ]',
                lines=failing(
                    f"Add ttm.pages_limit={pages[1]} to the kernel parameters (GRUB_CMDLINE_LINUX in "
                    "/etc/default/grub, then sudo update-grub), restart, and run this again."
                ),
                needs_root=True,
            )
        ]
    return []


def _disk(target: Target, kit: Kit) -> Step:
    need = disk_bytes(target, kit)
    ollama = target.chosen.weights.engine == "ollama"
    where = '"$DIR"' if not ollama else '"${OLLAMA_MODELS:-/usr/share}"' if target.system == "linux" else '"$HOME"'
    there = next(step.check for step in kit.steps if step.bytes == target.chosen.weights.download_bytes)
    variable = "OLLAMA_MODELS" if ollama else "BAKEOFF_SETUP_DIR"
    return Step(
        title=f"{bytes_text(need)} of disk space",
        why="Unless the model is there already.",
        check=f"{there} || has_free {where} {(need + _SPARE_BYTES) // 1024}",
        lines=failing(f"Less than {bytes_text(need)} are free. Make room, or name another folder with {variable}."),
    )


def _tools(tools: dict[str, str]) -> Step:
    packages = " ".join(dict.fromkeys(" ".join(tools.values()).split()))
    return Step(
        title=f"Programs: {', '.join(tools)}",
        why="What follows calls them.",
        check=" &&\n  ".join(f"command -v {tool} > /dev/null" for tool in tools),
        lines=(
            *failing(f"Install these with your package manager: {packages}", "command -v apt-get > /dev/null"),
            "as_root apt-get update",
            f"as_root apt-get install -y {packages}",
        ),
        needs_root=True,
    )
