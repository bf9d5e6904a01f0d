"""The arithmetic of the benchmarks of meters: updates of a value, edges of a load, the ratio of pairs."""

from __future__ import annotations

import json
from itertools import count
from types import SimpleNamespace

import pytest
from bench import gpu_load, meters
from bench.meters import Result, Updates, Window, edges, updates
from bench.overhead import Pair, slowdown
from bench.overhead import Result as Overhead

from bakeoff.errors import BakeoffError

S = 1_000_000_000


def test_a_value_that_is_new_every_so_often_is_seen_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(step=2_000_000)
    monkeypatch.setattr(meters, "now_ns", lambda: next(ticks))
    found = updates(lambda: float(next(ticks) // 100_000_000), 5.0)
    assert found.median_s == pytest.approx(0.1, abs=0.01)
    assert found.longest_s == pytest.approx(0.1, abs=0.01)
    assert found.call_median_ms == pytest.approx(4)


def test_a_value_that_never_changes_has_no_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(step=S // 100)
    monkeypatch.setattr(meters, "now_ns", lambda: next(ticks))
    assert updates(lambda: None, 1.0).median_s is None


def test_edges_are_where_power_crosses_the_middle() -> None:
    begin, end, late = 10 * S, 15 * S, round(0.08 * S)
    points = [(at, 700.0 if begin + late <= at < end + late else 70.0) for at in range(8 * S, 20 * S, S // 100)]
    rise, fall = edges(points, begin, end)
    assert rise == pytest.approx(0.08, abs=0.011)
    assert fall == pytest.approx(0.08, abs=0.011)
    assert edges([], begin, end) == (None, None)


def seen(
    apart: float = 0.02, edge: float = 0.1, told: int | None = (3 << 30) // 2, new_s: float = 0.02, share: float = 0.002
) -> Result:
    once = Updates(new_s, 0.03, 0.1, 0.5)
    window = Window(5.0, 3000.0, 3000.0 * (1 + apart), 600.0, edge, edge)
    return Result(
        gpu="GPU", driver="1", load="x", has_counter=True, has_instant=True, counter={"load": once}, power={},
        idle_w=70.0, meters_share_of_a_core=share, memory_told_bytes=told, memory_asked_bytes=1 << 30, windows=[window],
    )  # fmt: skip


def test_each_target_of_the_meters_can_be_missed() -> None:
    assert [aim.met for aim in seen().targets()] == [True] * 5
    assert [aim.met for aim in seen(apart=-0.06).targets()] == [False, True, True, True, True]
    assert [aim.met for aim in seen(edge=-0.3).targets()] == [True, False, True, True, True]
    assert [aim.met for aim in seen(new_s=0.2).targets()] == [True, True, False, True, True]
    assert [aim.met for aim in seen(share=0.02).targets()] == [True, True, True, False, True]
    assert [aim.met for aim in seen(told=None).targets()] == [True, True, True, True, False]
    assert [aim.met for aim in seen(told=0).targets()] == [True, True, True, True, False]


def test_what_was_seen_is_json_that_can_be_read_again() -> None:
    text = seen().text()
    assert json.loads(text[text.index("\n\n") :])["windows"][0]["apart"] == pytest.approx(0.02)


def test_meters_that_slow_decoding_by_two_per_cent_miss_their_target() -> None:
    slow, same = [Pair(128, 1.02, 1.0)] * 10, [Pair(128, 1.004, 1.0)] * 10
    assert slowdown(slow).point == pytest.approx(1 / 1.02)
    assert [t.met for t in Overhead("", [], 0.001, slow).targets()] == [False, True]
    assert [t.met for t in Overhead("", [], 0.02, same).targets()] == [True, False]


def test_a_slow_machine_slows_both_of_a_pair() -> None:
    pairs = [Pair(128, slow * 1.005, slow) for slow in (1.0, 1.4, 0.9, 3.0)]
    assert slowdown(pairs).point == pytest.approx(1 / 1.005)


def test_the_load_says_so_where_there_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", missing)
    with pytest.raises(OSError, match="libcuda"):
        gpu_load.Loop()


def test_without_a_gpu_there_is_nothing_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "Surroundings", lambda: SimpleNamespace(nvidia=()))
    with pytest.raises(BakeoffError, match="No NVIDIA GPU"):
        meters.run(True)
