"""What is predicted of a cell whose engine alone tells what it has: Ollama, before its fake."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import structs

from bakeoff.analysis.foreseen import Counts, Foreseer
from bakeoff.engines.base import Description
from bakeoff.engines.ollama import Ollama
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import parse_subject
from bakeoff.hardware.catalogue import find_machine
from bakeoff.models.catalogue import find
from bakeoff.models.recipes import tensors
from bakeoff.planning.learned import Correction
from bakeoff.planning.speed import Placement, decode_tps, work
from bakeoff.results.records import AnyRecord, CellOpened, Prediction, Workload
from bakeoff.run.contestant import Contestant
from bakeoff.run.plan import Protocol
from bakeoff.run.predicting import Predictor, told_weights
from bakeoff.run.runner import Runner
from bakeoff.workload.asked import Asked
from tests.fake_ollama import FakeOllama
from tests.fakes import MODEL
from tests.hand_made import a_cell
from tests.servers import run, serving
from tests.test_runner import Silent, ids

RTX = find_machine("rtx-4090")
ASKED = Asked(name="count", prompt="Count.", max_tokens=20, context=1024)
SEVEN = work(find("r1-7b"), tensors(find("r1-7b"), "Q4_K_M"))


def opened(fake: FakeOllama, predictor: Predictor) -> CellOpened:
    """The one cell of a run before that server."""
    records: list[AnyRecord] = []

    async def main() -> None:
        async with serving(fake) as (url, _):
            engine = Ollama(MODEL, EngineOptions(url=url, context=1024))
            runner = Runner(Protocol(runs=1), records.append, Silent(), predictor=predictor)
            await runner.measure(Contestant("ollama:tiny", engine, ids), (ASKED,))

    run(main())
    (cell,) = (record for record in records if isinstance(record, CellOpened))
    return cell


def predicted(fake: FakeOllama, predictor: Predictor | None = None) -> Prediction | None:
    return opened(fake, predictor or Predictor(RTX, {})).predicted


def described(**changes: Any) -> Description:
    """As Ollama describes R1-Distill-Qwen-7B at Q4_K_M, whole on a GPU of this machine."""

    async def main() -> Description:
        async with serving(FakeOllama(gpu_share=1.0)) as (url, _), Ollama(MODEL, EngineOptions(url=url)) as engine:
            return engine.describe()

    about = asyncio.run(main())
    model = {name: changes.pop(name) for name in ("parameters", "quant", "architecture") if name in changes}
    return structs.replace(about, model=structs.replace(about.model, **model), **changes)


def test_what_ollama_tells_of_a_model_is_enough_to_predict_it() -> None:
    found = predicted(FakeOllama(gpu_share=1.0))
    assert found is not None
    placed = Placement(devices=RTX.devices, host=RTX.host)
    assert found.device == "gpu"
    assert found.decode_tps.point == pytest.approx(decode_tps(SEVEN, placed, 60, "ollama").point, rel=0.02)
    assert found.decode_tps.point < decode_tps(SEVEN, placed, 60, "llamacpp").point


def test_of_a_model_half_on_the_gpu_the_rest_is_the_processors() -> None:
    whole, half, none = (predicted(FakeOllama(gpu_share=share)) for share in (1.0, 0.5, 0.0))
    assert whole is not None
    assert half is not None
    assert none is not None
    assert whole.decode_tps.point > half.decode_tps.point > none.decode_tps.point
    assert (whole.limit_assumed, half.limit_assumed, none.device) == (False, True, "cpu")
    assert not whole.cores_bound


def test_what_this_machine_taught_is_in_the_prediction_and_not_in_the_plain_one() -> None:
    by = Correction(decode=0.5, decode_width=0.1, prefill=1.0, prefill_width=0.1, n=3)
    found = predicted(FakeOllama(gpu_share=1.0), Predictor(RTX, {"gpu": by}))
    assert found is not None
    assert found.decode_tps.point == pytest.approx(0.5 * found.plain_decode_tps)


@pytest.mark.parametrize(
    ("facts", "quant"),
    [
        ({"general.parameter_count": 7_000_000_000}, "Q4_K_M"),
        ({"general.parameter_count": None}, "Q4_K_M"),
        ({"general.architecture": "starcoder2"}, "Q4_K_M"),
        ({}, "unknown"),
    ],
)
def test_of_a_model_that_nobody_knows_nothing_is_predicted(facts: dict[str, Any], quant: str) -> None:
    assert predicted(FakeOllama(facts=facts, quant=quant)) is None


@pytest.mark.parametrize(
    ("architecture", "parameters", "short"),
    [
        ("llama", 8_030_261_312, "llama-3.1-8b"),
        ("qwen2", 7_615_616_512, "r1-7b"),
        ("llama", 3_212_749_888, "llama-3.2-3b"),
    ],
)
def test_a_model_has_the_shape_of_the_catalogues_of_just_so_many_parameters(
    architecture: str, parameters: int, short: str
) -> None:
    found = told_weights(described(architecture=architecture, parameters=parameters))
    assert found is not None
    known = find(short)
    assert (found.architecture.layers, found.architecture.hidden) == (known.layers, known.hidden)


@pytest.mark.parametrize("url", ["http://192.0.2.7:11434", "http://box.example:11434"])
def test_another_machines_server_is_not_predicted_by_this_machine(url: str) -> None:
    workload: Workload = a_cell().workload
    here, there = described(), described(settings={"url": url})
    assert Predictor(RTX, {})(None, here, workload, 40) is not None
    assert Predictor(RTX, {})(None, there, workload, 40) is None


@pytest.mark.parametrize(("cores", "bound"), [(1, True), (64, False)])
def test_whether_the_cores_set_the_pace_is_kept_with_the_prediction(cores: int, bound: bool) -> None:
    bare = find_machine("cpu:ddr5-5600-dual")
    host = structs.replace(bare.host, cores=cores, flops=cores * 96e9)
    found = Predictor(structs.replace(bare, host=host), {})(None, described(device="cpu"), a_cell().workload, 40)
    assert found is not None
    assert found.cores_bound is bound


def test_a_gpu_of_which_nothing_is_known_is_not_predicted_as_the_processor() -> None:
    assert Predictor(find_machine("cpu"), {})(None, described(), a_cell().workload, 40) is None


def test_layers_asked_for_are_foreseen_as_llama_cpp_counts_them_down_to_none() -> None:
    foreseer = Foreseer(RTX, {}, "nvme")

    def foreseen(layers: int | None) -> float:
        options = EngineOptions(synthetic=True, gpu_layers=layers)
        asked = Asked(name="count", prompt_tokens=40, max_tokens=20)
        start = foreseer(parse_subject("llamacpp:r1-7b@Q4_K_M"), options, [asked], Counts(fewest=1, most=1, warm_ups=2))
        assert start.cells[0].decode_tps is not None
        return start.cells[0].decode_tps.point

    on_processor = decode_tps(SEVEN, Placement(devices=(), host=RTX.host), 50).point
    assert foreseen(0) == pytest.approx(on_processor)
    assert foreseen(0) < foreseen(1) < foreseen(28) < foreseen(29) == foreseen(-1) == foreseen(None)
