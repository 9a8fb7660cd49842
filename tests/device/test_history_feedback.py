"""Reports of wrong words: kept whole, bounded, exported as training reads them, erased."""

from __future__ import annotations

import errno
import json
import stat
import threading
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import cv2
import pytest
from support.daemon import DaemonBench, scene
from support.pictures import four_colours

from seealoud.device.__main__ import main
from seealoud.device.daemon.observer import Question
from seealoud.device.errors import OutputError, RequestError
from seealoud.device.files import write_atomically
from seealoud.device.history import feedback as module
from seealoud.device.history.feedback import Feedback
from seealoud.device.records import Cause, Frame
from seealoud.training.data.extra import open_extra

SAID = "I think a dog runs."
RIGHT = "a red kettle stands on the stove"
FRAME = Frame(four_colours(120, 160), "camera:0", datetime.now(UTC))
Run = Callable[..., tuple[int, str, str]]


def _feedback(folder: Path) -> Feedback:
    return Feedback(folder / "feedback", lambda said: FRAME if said == SAID else None)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*typed: str) -> tuple[int, str, str]:
        code = main(("feedback", *typed))
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_report_keeps_picture_and_words_for_the_owner_only(tmp_path: Path) -> None:
    kept = _feedback(tmp_path)
    report = kept.add(f" {SAID}\n", f"\t{RIGHT} ", is_picture_kept=True)
    assert (report.said, report.right) == (SAID, RIGHT)
    assert list(kept.reports()) == [report]
    folder = tmp_path / "feedback"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    seen = cv2.imread(str(folder / report.picture))
    assert abs(seen[:, :, ::-1].astype(int) - FRAME.image_hwc).mean() < 8
    assert kept.size() == (1, sum(file.stat().st_size for file in files))


def test_report_without_its_picture_keeps_no_picture(tmp_path: Path) -> None:
    kept = _feedback(tmp_path)
    kept.add("words of long ago", is_picture_kept=False)
    assert [path.suffix for path in (tmp_path / "feedback").iterdir()] == [".json"]


@pytest.mark.parametrize(
    ("said", "right", "reason"),
    [
        ("", "", "text is empty"),
        ("\n\t", "", "text is empty"),
        ("x" * 601, "", "at most 600"),
        (SAID, "y" * 201, "right has 201 characters"),
        ("words of long ago", "", "no longer in memory"),
    ],
)
def test_report_that_cannot_be_kept_is_refused_and_leaves_nothing(
    tmp_path: Path, said: str, right: str, reason: str
) -> None:
    with pytest.raises(RequestError, match=reason):
        _feedback(tmp_path).add(said, right, is_picture_kept=True)
    assert not (tmp_path / "feedback").exists()


def test_full_store_refuses_new_reports_and_keeps_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _feedback(tmp_path)
    first = kept.add(SAID, is_picture_kept=True)
    monkeypatch.setattr(module, "MOST_REPORTS", 1)
    with pytest.raises(RequestError, match="seealoud feedback export"):
        kept.add(SAID, is_picture_kept=False)
    monkeypatch.setattr(module, "MOST_REPORTS", 1000)
    monkeypatch.setattr(module, "MOST_BYTES", kept.size().size_bytes + 100)
    with pytest.raises(RequestError, match="no room for more"):
        kept.add(SAID, is_picture_kept=True)
    assert list(kept.reports()) == [first]


def test_disk_that_fails_is_an_error_and_leaves_no_half_report(tmp_path: Path) -> None:
    (tmp_path / "feedback").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot be saved"):
        _feedback(tmp_path).add(SAID, is_picture_kept=True)


def test_disk_that_is_full_after_the_picture_leaves_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomically(path, data)

    monkeypatch.setattr(module, "write_atomically", write)
    with pytest.raises(OutputError, match="No space left"):
        _feedback(tmp_path).add(SAID, is_picture_kept=True)
    assert list((tmp_path / "feedback").iterdir()) == []


def test_reports_of_several_threads_are_all_kept(tmp_path: Path) -> None:
    kept = _feedback(tmp_path)
    threads = [
        threading.Thread(target=kept.add, args=(SAID, f"{n}"), kwargs={"is_picture_kept": True})
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.right for report in kept.reports()) == [str(n) for n in range(8)]
    assert kept.size().reports == 8


def test_damaged_report_is_left_out_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = _feedback(tmp_path)
    report = kept.add(SAID, is_picture_kept=False)
    (tmp_path / "feedback" / "0.json").write_text('{"id": "0"')
    assert list(kept.reports()) == [report]
    assert "cannot be read" in caplog.text


def test_export_is_what_training_reads_and_refuses_to_overwrite(tmp_path: Path, run: Run) -> None:
    kept = _feedback(tmp_path)
    with_words = kept.add(SAID, RIGHT, is_picture_kept=True)
    without = kept.add(SAID, is_picture_kept=True)
    kept.add("No picture.", RIGHT, is_picture_kept=False)
    target = tmp_path / "out"
    code, out, err = run("export", str(target), "--state", str(tmp_path))
    assert (code, err) == (0, "")
    assert out == (
        f"3 reports written to {target}, 1 of them with a picture and right words for training.\n"
    )
    (picture,) = open_extra(target, plain_sentences=True)
    assert (picture.name, picture.captions) == (with_words.picture, (RIGHT,))
    assert cv2.imread(str(picture.path)) is not None
    assert {file.name for file in (target / "images").iterdir()} == {
        with_words.picture,
        without.picture,
    }
    lines = (target / "reports.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["id", "at", "picture", "said", "right"]
    assert [line.split("\t")[3] for line in lines[1:]] == [SAID, SAID, "No picture."]
    code, out, err = run("export", str(target), "--state", str(tmp_path))
    assert (code, out) == (13, "")
    assert "exists already" in err
    archive = BytesIO()
    kept.export_zip(archive)
    with zipfile.ZipFile(archive) as opened:
        assert set(opened.namelist()) == {
            str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()
        }
        assert opened.read("captions.tsv") == (target / "captions.tsv").read_bytes()


def test_command_lists_and_erases_for_good(tmp_path: Path, run: Run) -> None:
    state = ("--state", str(tmp_path))
    assert run("list", *state) == (0, "", "seealoud: nothing has been reported as wrong yet\n")
    assert run("export", str(tmp_path / "out"), *state)[0] == 13
    assert not (tmp_path / "out").exists()
    kept = _feedback(tmp_path)
    report = kept.add(SAID, RIGHT, is_picture_kept=True)
    kept.add(SAID, is_picture_kept=False)
    code, out, _ = run("list", *state)
    assert code == 0
    assert out.splitlines()[0] == (f"{report.at}  {SAID} Right: {RIGHT} (with its picture)")
    assert json.loads(run("list", "--json", *state)[1].splitlines()[0])["right"] == RIGHT
    (tmp_path / "feedback" / ".x.jpg.new").write_bytes(b"left by a power cut")
    code, out, _ = run("erase", "--yes", *state)
    assert (code, out.startswith("Erased: 2 reports")) == (0, True)
    assert list((tmp_path / "feedback").iterdir()) == []


def test_commands_refuse_a_state_folder_that_does_not_exist(tmp_path: Path, run: Run) -> None:
    typo = tmp_path / "typo"
    for typed in (["list"], ["export", str(tmp_path / "out")], ["erase", "--yes"]):
        code, out, err = run(*typed, "--state", str(typo))
        assert (code, out) == (2, "")
        assert f"--state {typo}: there is no such folder; " in err
    assert not typo.exists()


def test_observer_keeps_the_last_described_frame_only_and_none_in_privacy() -> None:
    bench = DaemonBench()
    bench.show(scene(1), times=5)
    (narrated,) = bench.voice.texts
    assert bench.observer.frame_of("something else") is None
    first = bench.observer.frame_of(narrated)
    assert first is not None
    assert (first.image_hwc == scene(1)).all()
    bench.observer.ask(Question(Cause.BUTTON, bench.clock.now_s()))
    bench.clock.advance_to(bench.clock.now_s() + 0.1)
    bench.frames.fresh = [bench.frames.frame(scene(2))]
    bench.observer.step()
    answered = bench.observer.frame_of(bench.voice.last)
    assert answered is bench.frames.fresh[0]
    assert bench.observer.frame_of(narrated) is None
    bench.frames.is_paused = True
    bench.observer.step()
    assert bench.observer.frame_of(bench.voice.last) is None


def test_privacy_withholds_the_described_frame_at_once() -> None:
    bench = DaemonBench()
    bench.show(scene(1), times=5)
    (narrated,) = bench.voice.texts
    bench.frames.is_paused = True  # the observer still describes the frame before
    assert bench.observer.frame_of(narrated) is None


def test_counting_while_another_process_erases_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = _feedback(tmp_path)
    report = kept.add(SAID, is_picture_kept=False)
    found = kept._files("*")
    monkeypatch.setattr(kept, "_files", lambda _: [*found, tmp_path / "erased.json"])
    assert kept.size().reports == 1
    assert list(kept.reports()) == [report]


@pytest.mark.parametrize("changed", [{"picture": "../../../p.jpg"}, {"picture": 5}, {"said": 5}])
def test_export_writes_nothing_outside_its_folder(
    tmp_path: Path, run: Run, changed: dict[str, object]
) -> None:
    kept = _feedback(tmp_path)
    kept.add(SAID, is_picture_kept=False)
    (file,) = (tmp_path / "feedback").iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))
    (tmp_path / "feedback" / "p.jpg").write_bytes(b"of whoever wrote the report")
    (tmp_path / "a").mkdir()
    kept.export(tmp_path / "a" / "b")
    assert not (tmp_path / "p.jpg").exists()
    kept.export_zip(archive := BytesIO())
    assert sorted(zipfile.ZipFile(archive).namelist()) == ["captions.tsv", "reports.tsv"]
