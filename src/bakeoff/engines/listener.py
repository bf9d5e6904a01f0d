"""Whose process a server on this machine is: who listens at its address, where that is an engine."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from bakeoff.engines.address import Address

if TYPE_CHECKING:
    from psutil import Process

    from bakeoff.engines.launch import Launched

_ENGINES = ("llama", "vllm", "mlx", "sglang", "lm studio", "lmstudio", "koboldcpp", "text-generation")
"""What programs that load a model are called, Ollama and llamafile among the first."""
_INTERPRETERS = ("python", "pypy", "node")


def listeners(url: str) -> tuple[int, ...]:
    """The engine's processes that listen at an address of this machine.

    None where the address is another machine's, where the system does not show the process to us (another user's), and
    where the program is not known to be an engine: a tunnel, a container's proxy or a gateway only passes on what is
    computed elsewhere.
    """
    import psutil

    address = Address.parse(url)
    wanted = _numbers(address) & _own_numbers(psutil)
    if not wanted:
        return ()
    found = [(_number(ip), pid) for ip, port, pid in _listening(psutil) if port == address.port]
    pids = {pid for ip, pid in found if ip in wanted} or {pid for ip, pid in found if ip in ("0.0.0.0", "::")}  # noqa: S104
    return tuple(pid for pid in sorted(pids) if _runs_an_engine(psutil, pid))


def processes(launched: Launched | None, url: str) -> tuple[int, ...]:
    """Those of the server that we started, else of whoever listens there."""
    if launched is None:
        return listeners(url)
    return (launched.pid,) if launched.pid else ()


def is_engine(name: str, command: Sequence[str]) -> bool:
    """By what the process calls itself, or by the script that its interpreter runs; never by its other arguments."""
    called = name.lower()
    if called.startswith(_INTERPRETERS):
        script = next((word for word in command[1:] if not word.startswith("-")), "")
        called = script.replace("\\", "/").rpartition("/")[2].lower()
    return any(engine in called for engine in _ENGINES)


def _runs_an_engine(psutil: Any, pid: int) -> bool:
    try:
        process: Process = psutil.Process(pid)
        return is_engine(process.name(), process.cmdline())
    except psutil.Error:
        return False


def _numbers(address: Address) -> set[str]:
    """What the host's name stands for."""
    try:
        return {_number(str(found[4][0])) for found in socket.getaddrinfo(address.host, address.port)}
    except OSError:
        return set()


def _own_numbers(psutil: Any) -> set[str]:
    """The addresses of this machine's interfaces."""
    kinds = (socket.AF_INET, socket.AF_INET6)
    own = {each.address for found in psutil.net_if_addrs().values() for each in found if each.family in kinds}
    return {"127.0.0.1", "::1", *(_number(address) for address in own)}


def _number(text: str) -> str:
    """In one spelling; an IPv4 address that is wrapped in an IPv6 one as itself."""
    try:
        number = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    inner = number.ipv4_mapped if isinstance(number, IPv6Address) else None
    return str(inner or number)


def _listening(psutil: Any) -> Iterator[tuple[str, int, int]]:
    """(address, port, process) of whoever listens, as far as we may know: macOS tells us of our own processes alone."""
    try:
        found = [(each, each.pid) for each in psutil.net_connections("tcp")]
    except psutil.Error:
        found = [(each, process.pid) for process in psutil.process_iter() for each in _of(psutil, process)]
    for each, pid in found:
        if each.status == psutil.CONN_LISTEN and pid is not None:
            yield each.laddr.ip, each.laddr.port, pid


def _of(psutil: Any, process: Any) -> list[Any]:
    ask = getattr(process, "net_connections", None) or process.connections  # its name before psutil 6
    try:
        return list(ask("tcp"))
    except psutil.Error:
        return []
