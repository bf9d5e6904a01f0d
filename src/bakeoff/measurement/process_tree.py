"""Who belongs to an engine: its processes and all that they have started, on any system."""

from __future__ import annotations

from collections.abc import Sequence


def process_tree(pids: Sequence[int]) -> list[int]:
    """These processes and all that they have started."""
    if not pids:
        return []
    import psutil

    tree = list(pids)
    for pid in pids:
        try:
            tree += [child.pid for child in psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            continue
    return tree
