"""The system calls that a program in the sandbox may not make, as a filter that bubblewrap loads.

It may start threads but no process, which holds for root too (whom RLIMIT_NPROC does not bind), open no socket, and
not keep memory where RLIMIT_AS does not count it. Numbers from Linux's asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import errno
import struct

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_X32 = 0x40000000
_CLONE_THREAD = 0x00010000

_DENIED = {
    # name: (x86_64, aarch64); None where there is no such call
    "fork": (57, None),
    "vfork": (58, None),
    "socket": (41, 198),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "io_uring_setup": (425, 425),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "pidfd_open": (434, 434),
    "kcmp": (312, 272),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "fsopen": (430, 430),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def program(machine: str) -> bytes | None:
    """The filter for a machine as ``platform.machine()`` names it; None where we have none."""
    if machine not in _AUDIT_ARCH:
        return None
    column = 0 if machine == "x86_64" else 1
    numbers = [pair[column] for pair in _DENIED.values()]
    lines = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        *_answer((_AT_LEAST, _X32), _ERROR | errno.EPERM),
        *_answer((_EQUAL, _CLONE3), _ERROR | errno.ENOSYS),  # the C library then takes clone, whose flags can be read
        *(line for number in numbers if number is not None for line in _answer((_EQUAL, number), _ERROR | errno.EPERM)),
        (_EQUAL, 1, 0, _CLONE[machine]),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def _answer(condition: tuple[int, int], answer: int) -> list[tuple[int, int, int, int]]:
    """Two instructions: the answer where the condition holds, else on to the next."""
    test, value = condition
    return [(test, 0, 1, value), (_RETURN, 0, 0, answer)]
