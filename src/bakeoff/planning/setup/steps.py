"""What a set-up is made of: steps in order, each with its reason and a test that says whether it is done."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from bakeoff.hardware.machine import Machine
    from bakeoff.planning.setup.weights import Chosen

System = Literal["linux", "macos"]
_WIDE = 100


class Step(Struct, frozen=True, kw_only=True):
    """One thing to do.

    ``lines`` are bash, run where ``check`` fails; a check changes nothing and exits 0 where there is nothing left to
    do. Without a check the step is done anew each time. ``bytes``: what it adds to the disk, where that is known.
    """

    title: str
    why: str
    lines: tuple[str, ...]
    check: str = ""
    needs_root: bool = False
    bytes: int | None = None


class Setup(Struct, frozen=True, kw_only=True):
    """A whole set-up. ``facts`` are what its head says, ``definitions`` the variables and functions of the steps."""

    title: str
    facts: tuple[tuple[str, str], ...]
    definitions: tuple[str, ...]
    steps: tuple[Step, ...]
    closing: tuple[str, ...]


class Target(Struct, frozen=True, kw_only=True):
    """What is to run where, and with how many tokens of context."""

    machine: Machine
    system: System
    chosen: Chosen
    context: int

    @property
    def kind(self) -> Literal["nvidia", "apple", "vulkan", "cpu"]:
        """By what llama.cpp and its kin compute: AMD's and Intel's GPUs by Vulkan."""
        vendors = {device.vendor for device in self.machine.devices} - {"cpu"}
        if not vendors:
            return "cpu"
        if "nvidia" in vendors:
            return "nvidia"
        return "apple" if "apple" in vendors else "vulkan"

    @property
    def gpus(self) -> int:
        """How many devices compute."""
        return sum(device.vendor != "cpu" for device in self.machine.devices)


class Kit(Struct, frozen=True, kw_only=True):
    """What one engine brings: its steps from installation to an answering server, and how Bakeoff names it then.

    ``tools``: programs that it calls, with the Ubuntu packages that hold them; ``driver``: the least NVIDIA driver;
    ``disk_bytes``: what it takes on the disk beside the model, where that is known, in words ``disk_words``.
    """

    definitions: tuple[str, ...]
    steps: tuple[Step, ...]
    question: Step
    subject: str
    closing: tuple[str, ...]
    tools: tuple[tuple[str, str], ...] = ()
    driver: int | None = None
    disk_bytes: int | None = None
    disk_words: str = ""


def failing(text: str, unless: str = "") -> tuple[str, ...]:
    """The lines that end the script with that sentence, unless the command ``unless`` succeeds."""
    sentence = [f"'{part}'" for part in textwrap.wrap(text, _WIDE, break_long_words=False, break_on_hyphens=False)]
    if unless and len(sentence) == 1 and len(unless) + len(sentence[0]) < _WIDE:
        return (f"{unless} || fail {sentence[0]}",)
    inner = "  " if unless else ""
    lines = [f"{inner}fail {sentence[0]}", *(f"{inner}  {part}" for part in sentence[1:])]
    continued = (*(f"{line} \\" for line in lines[:-1]), lines[-1])
    return (f"{unless} ||", *continued) if unless else continued
