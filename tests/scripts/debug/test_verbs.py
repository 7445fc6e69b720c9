"""The verbs that look into data, on a directory as a stopped node leaves it."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scripts.cli.main import GROUPS, VERBS, main
from scripts.debug.replaying import start_replay
from scripts.debug.source import DataDirectory
from shared.ids import encode_invocation_id
from shared.storage import keys, values
from tests.fakes.data_directory import log_of, store_of
from tests.scripts.debug.two_partitions import Two

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    told = capsys.readouterr()
    return status, told.out, told.err


def run_json(capsys: Capture, *words: object) -> tuple[int, list[dict[str, Any]]]:
    status, out, _ = run(capsys, *words, "--json")
    return status, [json.loads(line) for line in out.splitlines()]


def last_lsn(two: Two) -> int:
    return two.left.meta.applied_lsn


def test_help_names_every_verb_once(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(text.count(f"\n  {verb} ") == 1 for verb in VERBS)
    assert {verb for verbs in GROUPS.values() for verb in verbs} <= set(VERBS)


def test_replay_gives_the_store_of_each_partition(capsys: Capture, data: Path, two: Two) -> None:
    status, reports = run_json(capsys, "replay", "--data-dir", data)
    assert status == 0
    assert [report["digest"] for report in reports] == [machine.store.digest() for machine in two.machines]
    assert all(report["comparisons"][0]["same"] for report in reports)
    status, out, _ = run(capsys, "replay", "--data-dir", data, "--partition", 1)
    assert (status, out.count("the same")) == (0, 1)


def test_replay_says_which_row_differs(capsys: Capture, data: Path, two: Two) -> None:
    key = keys.invocation_key(two.sleeper)
    row = two.left.row(two.sleeper)
    row.journal_length = 17
    with store_of(data, 0) as store:
        store.commit({key: values.encode(row)})
    status, out, _ = run(capsys, "replay", "--data-dir", data)
    assert status == 1
    assert "DIFFERENT" in out
    assert encode_invocation_id(two.sleeper) in out
    assert "journal_length: stored 17, replayed 2" in out


def test_a_store_that_cannot_be_read_is_made_anew_all_the_same(
    capsys: Capture, data: Path, two: Two, tmp_path: Path
) -> None:
    store = data / "partitions" / "0" / "store"
    for file in store.glob("MANIFEST-*"):
        file.write_bytes(b"nonsense" * 100)
    keep = tmp_path / "kept"
    status, (report,) = run_json(capsys, "replay", "--data-dir", data, "--partition", 0, "--keep", keep)
    assert status == 1
    assert "cannot be opened" in report["store_error"]
    assert report["digest"] == two.left.store.digest()
    status, (story,) = run_json(capsys, "story", encode_invocation_id(two.sleeper), "--data-dir", data)
    assert status == 0
    assert story["chapters"][-1]["after"] == "suspended"
    assert "cannot be opened" in story["store_error"]
    status, out, _ = run(capsys, "doctor", "--data-dir", data)
    assert status == 1
    assert "cannot be opened" in " ".join(out.split())


def test_commands_by_themselves_give_the_rows_of_their_batches(data: Path, two: Two, tmp_path: Path) -> None:
    """`step` and `story` apply them one by one."""
    with closing(DataDirectory(data)) as source:
        replay = start_replay(source, 0, tmp_path / "scratch")
        with closing(replay.store):
            steps = list(replay.steps(replay.log.last_lsn))
            assert any(step.count > 1 for step in steps)
            assert replay.store.digest() == two.left.store.digest()


def test_replay_up_to_an_lsn_is_kept_and_compared(capsys: Capture, data: Path, two: Two, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    status, out, _ = run(capsys, "replay", "--data-dir", data, "--partition", 0, "--to", 4, "--keep", kept)
    assert status == 0
    assert "nothing else to compare with" in out
    status, out, _ = run(capsys, "diff", data, kept, "--limit", 1)
    assert status == 1
    assert "more (--limit)" in out
    status, found = run_json(capsys, "diff", data, kept)
    assert found[-1]["tables"]["timer"] == {"only_a": 1, "only_b": 0, "different": 0}
    assert run(capsys, "replay", "--data-dir", data, "--keep", kept)[0] == 1


def test_the_same_stores_do_not_differ(capsys: Capture, data: Path) -> None:
    assert run(capsys, "diff", data, data)[0] == 0
    store = data / "partitions" / "1" / "store"
    assert run(capsys, "diff", data, store)[0] == 0


def test_a_record_that_is_gone_ends_the_replay_with_its_lsn(capsys: Capture, data: Path) -> None:
    with log_of(data, "p-0") as journal:
        journal.drop_before(3)
    status, out, err = run(capsys, "replay", "--data-dir", data, "--partition", 0)
    assert status == 1
    assert "the log begins at LSN 3" in out
    assert "kept: none" in out
    status, _, err = run(capsys, "log", "dump", "--data-dir", data, "--partition", 0, "--from", 1)
    assert status == 1
    assert "records before LSN 3 are trimmed" in err


def test_a_record_that_cannot_be_decoded_is_shown_and_never_skipped(capsys: Capture, data: Path, two: Two) -> None:
    lsn = last_lsn(two) + 1
    with log_of(data, "p-0") as journal:
        journal.add(b"\x00\x09not a batch", lsn, 1)
    status, out, _ = run(capsys, "log", "dump", "--data-dir", data, "--partition", 0)
    assert status == 1
    assert b"not a batch".hex() in out
    status, out, _ = run(capsys, "replay", "--data-dir", data, "--partition", 0, "--to", lsn)
    assert status == 1
    assert f"LSN {lsn}" in out
    status, out, _ = run(capsys, "log", "stat", "--data-dir", data, "--partition", 0)
    assert status == 1
    assert f"LSN {lsn}: " in out


def test_wrong_places_are_named_with_a_remedy(capsys: Capture, data: Path, tmp_path: Path) -> None:
    for verb, *words in (["replay"], ["log", "stat"], ["doctor"], ["step", "--partition", "0"]):
        status, _, err = run(capsys, verb, *words, "--data-dir", tmp_path / "nowhere")
        assert status == 1
        assert "does not exist" in err
        assert "--data-dir" in err
        assert not (tmp_path / "nowhere").exists()
    status, _, err = run(capsys, "log", "dump", "--data-dir", data, "--partition", 9)
    assert status == 1
    assert "there is no partition 9" in err
    assert "0, 1" in err


def test_story_tells_a_call_to_another_partition(capsys: Capture, data: Path, two: Two) -> None:
    caller, callee = encode_invocation_id(two.caller), encode_invocation_id(two.callee)
    status, (story,) = run_json(capsys, "story", caller, "--data-dir", data)
    assert status == 0
    moves = [(chapter["before"], chapter["after"]) for chapter in story["chapters"]]
    assert moves[:2] == [(None, "invoked (generation 3)"), ("invoked (generation 3)", "suspended")]
    assert [chapter for chapter in story["chapters"] if callee in " ".join(chapter["actions"])]
    assert any("TruncateOutbox" in chapter["words"] for chapter in story["chapters"])
    assert any("Call notification" in text for chapter in story["chapters"] for text in chapter["entries"])
    status, out, _ = run(capsys, "story", callee, "--data-dir", data)
    assert status == 0
    out = " ".join(out.split())
    assert "→ none → invoked" in out
    assert "→ completed" in out
    assert f"from Greeter/greet {caller}" in out
    assert "completion 2 of " in out
    assert "Output" in out


def test_story_says_what_is_trimmed(capsys: Capture, data: Path, two: Two) -> None:
    with log_of(data, "p-0") as journal:
        journal.drop_before(3)
    status, out, _ = run(capsys, "story", encode_invocation_id(two.caller), "--data-dir", data)
    assert status == 0
    assert "Records up to LSN 2 are trimmed" in out
    assert "no checkpoint to replay from" in out
    assert "As of LSN" in out


def test_story_of_an_unknown_invocation_says_so(capsys: Capture, data: Path) -> None:
    status, _, err = run(capsys, "story", encode_invocation_id(bytes(24)), "--data-dir", data)
    assert status == 1
    assert "neither log nor store" in err
    with pytest.raises(SystemExit):
        main(["story", "inv_nonsense", "--data-dir", str(data)])


def test_log_is_dumped_counted_and_followed(capsys: Capture, data: Path, two: Two) -> None:
    status, lines = run_json(capsys, "log", "dump", "--data-dir", data, "--partition", 0)
    assert (status, len(lines)) == (0, len(two.left.log))
    assert lines[1]["commands"][0]["type"] == "Invoke"
    status, (stat,) = run_json(capsys, "log", "stat", "--data-dir", data, "--partition", 0)
    assert stat["batches"] == len(two.left.log)
    assert stat["commands"]["InvokerEffects/CallEntry"] == 1
    assert stat["epochs"][0]["node"] == "node-1"
    tail = ["log", "tail", "--data-dir", data, "--partition", "0", "--from", "2", "--to", "4"]
    status, lines = run_json(capsys, *tail)
    assert [line["lsn"] for line in lines] == [2, 3, 4]
    status, out, _ = run(capsys, "log", "dump", "--meta", "--data-dir", data)
    assert "CreatePartitionTable count=2" in out


def test_step_by_script(capsys: Capture, data: Path, two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = encode_invocation_id(two.sleeper)
    script = f"next\nuntil {sleeper}\nnext\nshow {sleeper}\nrows timer\nrows nothing\nwhat\nrun\nwhere\nquit\nnext\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(script))
    status, out, _ = run(capsys, "step", "--partition", 0, "--data-dir", data, "--from", 2)
    assert status == 0
    assert f"+ invocation invocation={sleeper}" in out
    assert "status: invoked -> suspended" in out
    assert "+ timer at_ms=" in out
    assert "> RegisterTimer at" in out
    assert "'nothing' is no table" in out
    assert "'what' is no command here" in out
    assert "- lock service=Counter key=c1" in out
    assert out.rstrip().endswith(f"LSN {last_lsn(two)} of {last_lsn(two)}")


def test_step_shows_rows_as_the_log_has_them(capsys: Capture, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("run 3\n\nhelp\n"))
    status, out, _ = run(capsys, "step", "--partition", 1, "--data-dir", data)
    assert status == 0
    assert "LSN 3, command 1 of 1" in out
    assert "rows TABLE [TEXT]" in out
