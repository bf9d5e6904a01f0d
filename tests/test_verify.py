"""``bakeoff verify``: what is on the screen, in the JSON, and said of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff.cli.main import main
from bakeoff.results.records import AnyRecord
from bakeoff.results.runfile import RunWriter
from tests.claim_runs import runs_of_7b

HEAD = 'title = "A table"\nsource = "somewhere"\ndate = "2026-01"\n'
CLAIM = (
    '[[claims]]\nid = "a"\nstatement = "It decodes"\nmetric = "decode"\nhardware = "rtx-4090"\nmodel = "r1-7b"\n'
    'quant = "q4_K_M"\nengine = "ollama"\nclaimed = "900 tok/s"\n'
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "80")


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["verify", "--json", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found: dict[str, Any] = json.loads(said.out)
    return found


def screen(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["verify", *arguments]) == 0
    return capsys.readouterr().out


def test_without_an_argument_the_article_is_checked_the_summary_first_and_the_impossible_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = screen(capsys)
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    heads = [
        line
        for line in lines
        if line.split(" (")[0] in ("Impossible", "Does not hold", "Cannot be checked here", "Holds")
    ]
    assert [head.split(" (")[0] for head in heads] == ["Impossible", "Does not hold", "Cannot be checked here", "Holds"]
    counts = [int(head.split("(")[1].rstrip(")")) for head in heads]
    summary = (
        f"{sum(counts)} claims: {counts[3]} hold, {counts[1]} do not, {counts[0]} are impossible, {counts[2]} cannot"
    )
    assert summary in text.replace("\n", " ")
    assert lines.index(heads[0]) < 8
    assert "✗ The right answer to the train problem is 72 km/h" in lines


def test_a_claim_alone_is_explained_with_formula_inputs_and_their_sources(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(screen(capsys, "--only", "decode_m3_70b_q4").split())
    assert "1 claim: 0 hold, 0 do not, 1 is impossible" in text
    assert "lower end holds, upper end impossible" in text
    assert "tokens/s ≤ 1 / Σ over what reads one after the other of (bytes read a token / bandwidth)" in text
    assert "bandwidth of Apple M3 Max 40c: 409.6 GB/s (Apple tech specs" in text
    for source in ("arithmetic:", "published:", "predicted:"):
        assert source in text


def test_the_json_has_every_claim_with_verdict_evidence_and_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys)
    assert found["sets"][0]["name"] == "article"
    assert sum(found["summary"].values()) == len(found["claims"]) > 120
    by_id = {claim["id"]: claim for claim in found["claims"]}
    train = by_id["train_answer"]
    assert (train["verdict"], train["claimed"], train["metric"]) == ("impossible", "72 km/h", "sum")
    assert train["evidence"][0]["point"] == 75
    split = by_id["decode_m3_70b_q4"]
    assert (split["hardware"], split["model"], split["quant"]) == ("m3-max-48gb", "r1-70b", "Q4_K_M")
    assert split["ends"] == {"low": "holds", "high": "impossible"}
    assert {each["source"] for each in split["evidence"]} == {"arithmetic", "published", "predicted"}
    for claim in found["claims"]:
        assert claim["verdict"] in ("holds", "does_not_hold", "cannot_check", "impossible")
        assert (claim["needed"] is not None) == (claim["verdict"] == "cannot_check")
        assert {each["source"] for each in claim["evidence"]} <= {"measured", "predicted", "published", "arithmetic"}


def test_a_file_of_ones_own_and_one_of_the_package_are_checked_together(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(HEAD + CLAIM, encoding="utf-8")
    found = document(capsys, str(tmp_path / "mine.toml"), "apple-14b")
    assert [one["name"] for one in found["sets"]] == ["mine.toml", "apple-14b"]
    assert found["claims"][0]["verdict"] == "impossible"
    assert found["claims"][0]["quant"] == "Q4_K_M"


def test_control_sequences_of_a_file_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hostile = (HEAD + CLAIM).replace("It decodes", "It \\u001b[31mdecodes\\u202e\\n✓ forged")
    (tmp_path / "mine.toml").write_text(hostile.replace("A table", "\\u001b]0;x\\u0007T"), encoding="utf-8")
    text = screen(capsys, str(tmp_path / "mine.toml"))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "✗ It decodes ✓ forged" in text
    assert main(["verify", "--json", str(tmp_path / "mine.toml")]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_the_schema_names_every_metric(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    claim = schema["$defs"]["Claim"]
    assert {"decode", "fits", "sum", "command", "words"} <= set(claim["properties"]["metric"]["enum"])
    assert {"id", "statement", "metric", "claimed"} <= set(claim["required"])


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["artcle"], 2, "There is no file of claims artcle, in the package or as a file. Did you mean article?"),
        (["--only", "train_anser"], 2, "There is no claim 'train_anser' in article. Did you mean train_answer"),
        (["--run", "nothing"], 2, "nothing"),
    ],
)
def test_bad_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    assert main(["verify", *arguments]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert "Traceback" not in said.err


def test_a_bad_file_is_told_with_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(HEAD + CLAIM.replace("900 tok/s", "110-90 tok/s"), encoding="utf-8")
    assert main(["verify", str(tmp_path / "mine.toml")]) == 2
    assert "mine.toml, line 12, column 11: '110-90 tok/s' is upside down" in capsys.readouterr().err


def test_ones_own_run_is_evidence_and_decides(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (run,) = runs_of_7b(10.0)
    path = tmp_path / "home" / "runs" / f"{run.started.id}.jsonl"
    records: list[AnyRecord] = [run.started, *run.cells, *run.trials]
    with RunWriter(path) as writer:
        for record in records:
            writer.write(record)
    (claim,) = document(capsys, "--run", "last", "--only", "decode_4090_7b_q4")["claims"]
    measured = [each for each in claim["evidence"] if each["source"] == "measured"]
    assert measured[0]["point"] == pytest.approx(100, rel=0.01)
    assert measured[0]["reference"] == run.started.id
    assert claim["verdict"] == "holds"
    text = screen(capsys, "--run", str(path), "--only", "decode_4090_7b_q4")
    assert f"measured: your run {run.started.id} measured 99.8" in text


def test_what_is_old_is_said_last_on_the_screen_and_in_the_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakeoff.hardware.dated.utc_now", lambda: "2030-01-01T00:00:00+00:00")
    said = "Older than 180 days, look again: specification of RTX 4090"
    assert said in " ".join(screen(capsys, "--only", "bandwidth_4090").split())
    assert said in document(capsys, "--only", "bandwidth_4090")["notes"][0]
    monkeypatch.setattr("bakeoff.hardware.dated.utc_now", lambda: "2020-01-01T00:00:00+00:00")
    assert document(capsys, "--only", "bandwidth_4090")["notes"] == []
