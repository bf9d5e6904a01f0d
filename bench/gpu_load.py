"""A known load for an NVIDIA GPU, as a program of its own: ``python -m bench.gpu_load``.

A large matrix product through torch where it is installed, else multiplications and additions in a loop, compiled by
the driver itself, which needs nothing but the driver. It prints one JSON object a line: what it is and what memory it
took; then for each number of seconds that it reads it works so long, and tells begin and end on the monotonic clock, in
ns. It ends with its input.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
import time
from typing import Any, Protocol

_BYTES = 1 << 30
_PTX = """
.version 6.0
.target sm_50
.address_size 64
.visible .entry burn(.param .u64 out, .param .u32 turns)
{
    .reg .pred p;
    .reg .f32 a, b, c, d, x, y;
    .reg .b32 i, n, t;
    .reg .b64 at, to;
    ld.param.u64 at, [out];
    ld.param.u32 n, [turns];
    mov.u32 t, %tid.x;
    cvt.rn.f32.u32 a, t;
    mov.f32 b, a;
    mov.f32 c, a;
    mov.f32 d, a;
    mov.f32 x, 0f3F7FFFEF;
    mov.f32 y, 0f3A83126F;
    mov.u32 i, 0;
TURN:
    fma.rn.f32 a, a, x, y;
    fma.rn.f32 b, b, x, y;
    fma.rn.f32 c, c, x, y;
    fma.rn.f32 d, d, x, y;
    fma.rn.f32 a, a, x, y;
    fma.rn.f32 b, b, x, y;
    fma.rn.f32 c, c, x, y;
    fma.rn.f32 d, d, x, y;
    add.u32 i, i, 1;
    setp.lt.u32 p, i, n;
    @p bra TURN;
    add.f32 a, a, b;
    add.f32 c, c, d;
    add.f32 a, a, c;
    cvta.to.global.u64 to, at;
    st.global.f32 [to], a;
    ret;
}
"""


class Work(Protocol):
    """One kind of load. ``held_bytes`` is what it asked the driver for."""

    name: str
    held_bytes: int

    def once(self) -> None:
        """Some milliseconds of it, to their end."""
        ...


class MatrixProduct:
    """Half-precision products of large matrices."""

    name = "matrix product through torch"

    def __init__(self) -> None:
        self._torch: Any = __import__("torch")
        kind = self._torch.bfloat16
        self._a, self._b = (self._torch.randn(8192, 8192, device="cuda", dtype=kind) for _ in range(2))
        self._c = self._torch.empty(8192, 8192, device="cuda", dtype=kind)
        self._ballast = self._torch.empty(_BYTES, device="cuda", dtype=self._torch.uint8)
        self.once()
        self.held_bytes = int(self._torch.cuda.memory_reserved())

    def once(self) -> None:
        for _ in range(4):
            self._torch.matmul(self._a, self._b, out=self._c)
        self._torch.cuda.synchronize()


class Loop:
    """Fused multiplications and additions, by the driver's own interface."""

    name = "a loop of multiplications and additions through the driver"

    def __init__(self) -> None:
        self._cuda = ctypes.CDLL("libcuda.so.1")
        device, context, module = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self._kernel, self._out = ctypes.c_void_p(), ctypes.c_uint64()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(_PTX.encode()))
        self._call("cuModuleGetFunction", ctypes.byref(self._kernel), module, ctypes.c_char_p(b"burn"))
        self._call("cuMemAlloc_v2", ctypes.byref(self._out), ctypes.c_size_t(_BYTES))
        self.held_bytes = _BYTES
        self.once()

    def once(self) -> None:
        turns = ctypes.c_uint32(100_000)
        arguments = (ctypes.c_void_p * 2)(ctypes.addressof(self._out), ctypes.addressof(turns))
        grid, block = (4096, 1, 1), (256, 1, 1)
        self._call("cuLaunchKernel", self._kernel, *grid, *block, 0, None, arguments, None)
        self._call("cuCtxSynchronize")

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._cuda, name)(*arguments)
        if status != 0:
            raise OSError(f"{name} gave CUDA's error {status}")


def work() -> Work:
    """What this machine can do. Raises OSError where it has no driver."""
    if importlib.util.find_spec("torch") is not None:
        torch = __import__("torch")
        if torch.cuda.is_available():
            return MatrixProduct()
    return Loop()


def main() -> None:
    """See above."""
    load = work()
    say(what=load.name, pid=os.getpid(), held_bytes=load.held_bytes)
    for line in sys.stdin:
        begin, span_ns = time.perf_counter_ns(), round(float(line) * 1e9)
        while time.perf_counter_ns() - begin < span_ns:
            load.once()
        say(begin_ns=begin, end_ns=time.perf_counter_ns())


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
