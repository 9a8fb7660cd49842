"""``seealoud describe`` on folders: files of results, resuming, processes, contact sheet."""

from __future__ import annotations

import base64
import csv
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.fakes import FakeParts
from support.fatal_describer import open_fatal_describer
from support.pictures import encoded, write
from support.tiny_bundle import TINY_BUNDLE

from seealoud.device.__main__ import main
from seealoud.device.commands.describe_sources import expand_sources
from seealoud.device.commands.describe_workers import Looked, Task, WorkerPool, _free_mb, job_count
from seealoud.device.commands.options import DescribeOptions
from seealoud.device.commands.report import Progress
from seealoud.device.commands.result_file import ResultFile
from seealoud.device.commands.run_describe import DescribeParts
from seealoud.device.errors import InferenceError, PictureError

ROOT = Path(__file__).parents[2]
WAIT_S = 120.0
SUFFIXES = [".jsonl", ".csv", ".txt"]
Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the program: exit code, lines of stdout, lines of stderr."""

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        code = main(["describe", *map(str, arguments)], FakeParts().parts)
        said = capfd.readouterr()
        return code, said.out.splitlines(), said.err.splitlines()

    return run


def field(path: Path, *colour: int, size: tuple[int, int] = (24, 32)) -> Path:
    return write(path, encoded(np.full((*size, 3), colour, np.uint8), path.suffix))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a green, a bad, a blue and a red picture, in this order."""
    folder = tmp_path / "folder"
    folder.mkdir()
    field(folder / "a.png", 10, 200, 10)
    write(folder / "b.jpg", b"not a picture")
    field(folder / "c: d.jpg", 10, 10, 200)
    field(folder / 'e,"f"\n.png', 200, 10, 10)
    return folder


def noise_pictures(folder: Path, count: int) -> list[Path]:
    """Write pictures that differ; return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number in range(count):
        image = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
        paths.append(write(folder / f"{number:03}.png", encoded(image, ".png")))
    return paths


def sources_in(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    if file.suffix == ".jsonl":
        return [json.loads(line)["source"] for line in lines]
    if file.suffix == ".csv":
        return [row["source"] for row in csv.DictReader(lines)]
    return [line.rpartition(": ")[0] for line in lines]


def printable(path: Path) -> str:
    return str(path).replace("\n", " ")


# ---------------------------------------------------------------- the file of results


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_batch_writes_a_row_for_each_picture_and_a_second_run_adds_what_is_new(
    run: Run, folder: Path, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"results{suffix}"
    code, out, err = run(folder, "--output", file)
    assert code == 4
    assert out == [f"Added descriptions of 3 pictures to {file}."]
    assert err == [f"seealoud: {folder}/b.jpg cannot be read as a picture: it is text"]
    name = str if suffix == ".jsonl" else printable
    good = [name(folder / x) for x in ("a.png", "c: d.jpg", 'e,"f"\n.png')]
    assert sources_in(file) == good
    before = file.read_bytes()

    assert run(folder, "--output", file)[:2] == (
        4,
        [f"Added descriptions of 0 pictures to {file}; 3 were there before."],
    )
    assert file.read_bytes() == before
    # The bad picture was repaired, and one is named twice.
    field(folder / "b.jpg", 10, 200, 10)
    code, out, _ = run(folder, folder / "a.png", "--output", file)
    assert (code, out) == (0, [f"Added descriptions of 2 pictures to {file}; 3 were there before."])
    assert file.read_bytes().startswith(before)
    assert sorted(sources_in(file)) == sorted([*good, name(folder / "b.jpg"), good[0]])


def test_batch_rows_say_what_is_printed(run: Run, folder: Path, tmp_path: Path) -> None:
    printed = run(folder)[1]
    json_lines = run(folder, "--json")[1]
    files = [tmp_path / f"r{suffix}" for suffix in SUFFIXES]
    for file in files:
        run(folder, "--output", file)
    assert files[2].read_text().splitlines() == printed
    rows = [json.loads(line) for line in files[0].read_text().splitlines()]
    for row, line in zip(rows, map(json.loads, json_lines), strict=True):
        assert {**row, "captured_at": ""} == {**line, "captured_at": ""}
    table = list(csv.DictReader(files[1].read_text().splitlines()))
    assert [row["text"] for row in table] == [row["text"] for row in rows]
    assert [float(row["probability"]) for row in table] == [0.9, 0.9, 0.9]
    assert {row["bundle"] for row in table} == {"fake"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_batch_cuts_off_a_row_that_was_not_written_whole(
    run: Run, folder: Path, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"results{suffix}"
    run(folder, "--output", file)
    whole, sources = file.read_bytes(), sources_in(file)
    for size in {*range(0, len(whole), 41), *range(9), len(whole) - 1}:
        file.write_bytes(whole[:size])
        assert run(folder, "--output", file)[0] == 4
        assert sources_in(file) == sources, whole[:size]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", "Milk and eggs\n"),
        ("notes.txt", "Shopping: milk\n"),
        ("notes.txt", "Milk"),
        ("table.csv", "name,price\nmilk,1\n"),
        ("table.csv", "milk"),
        ("data.jsonl", '{"text": "x"}\n'),
        ("data.jsonl", "[1]\n"),
        ("data.jsonl", "milk"),
    ],
)
def test_batch_leaves_a_file_with_other_contents_as_it_is(
    run: Run, folder: Path, tmp_path: Path, name: str, content: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    code, out, err = run(folder, "--output", file)
    assert (code, out, len(err)) == (2, [], 1)
    assert f"{file} has other contents" in err[0]
    assert file.read_text() == content


@pytest.mark.parametrize("arguments", [["-o", "r.json"], ["-o", "r"], ["--json", "-o", "r.jsonl"]])
def test_batch_refuses_what_it_cannot_write(
    run: Run, folder: Path, tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(folder, *arguments)
    assert (code, out, len(err)) == (2, [], 1)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["folder"]


def test_batch_names_a_place_that_cannot_be_written_and_what_fills_up(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    for option, name in (("--output", "r.csv"), ("--contact-sheet", "s.html")):
        code, _, err = run(folder, option, tmp_path / "missing" / name)
        assert code == 13
        assert "No such file or directory" in err[-1]
    endless = tmp_path / "endless.csv"
    endless.symlink_to("/dev/zero")
    code, _, err = run(folder, "--output", endless)
    assert code == 2
    assert "is not a regular file" in err[-1]


def test_batch_stops_when_the_disk_is_full_and_goes_on_when_there_is_room(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "r.jsonl"
    run(folder / "a.png", "--output", file)
    first = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(first) + 50, hard))
    try:
        code, out, err = run(folder, "--output", file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, out) == (13, [])
    assert "File too large" in err[-1]
    assert file.read_bytes() == first
    assert run(folder, "--output", file)[0] == 4
    assert len(sources_in(file)) == 3


def test_batch_does_not_mix_bundles(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    run(folder / "a.png", "--output", file)
    file.write_text(file.read_text().replace('"fake"', '"older"'))
    code, _, err = run(folder, "--output", file)
    assert code == 2
    assert "begun with the bundle older" in err[-1]
    assert len(sources_in(file)) == 1


def test_batch_is_not_written_by_two_at_a_time(run: Run, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    first = ResultFile(file, [])
    code, _, err = run(folder, "--output", file)
    assert code == 13
    assert "another seealoud describe writes" in err[0]
    first.close()
    assert run(folder, "--output", file)[0] == 4


# ---------------------------------------------------------------- several processes


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "seealoud", "describe", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


def test_batch_killed_in_the_middle_goes_on_without_a_gap_or_a_repetition(tmp_path: Path) -> None:
    paths = noise_pictures(tmp_path / "folder", 60)
    file = tmp_path / "r.jsonl"
    command = program(tmp_path / "folder", "--bundle", TINY_BUNDLE, "--jobs", "2", "--output", file)
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            command, env=environment(), start_new_session=True, stderr=stderr
        )
    deadline_s = time.monotonic() + WAIT_S
    while not (file.exists() and file.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline_s
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait(WAIT_S)
    # Its workers end by themselves: the session has no process left.
    wait_for_the_end_of_session(process.pid)
    assert errors.read_bytes() == b""
    n_before = file.read_bytes().count(b"\n")
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=WAIT_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sources_in(file) == [str(path) for path in paths]
    assert 3 <= n_before <= len(paths)


@pytest.mark.parametrize("rows", [0, 2])
def test_batch_interrupted_on_a_terminal_ends_every_process_without_a_word(
    tmp_path: Path, rows: int
) -> None:
    noise_pictures(tmp_path / "folder", 200)
    file = tmp_path / "r.jsonl"
    process = subprocess.Popen(
        program(tmp_path / "folder", "--bundle", TINY_BUNDLE, "--jobs", "2", "--output", file),
        env=environment(), start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    deadline_s = time.monotonic() + WAIT_S
    # With no row yet, the workers are just starting.
    while not (file.exists() and file.read_bytes().count(b"\n") >= rows):
        assert time.monotonic() < deadline_s
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=WAIT_S)
    # click itself ends the line of "^C".
    assert (process.returncode, out, err) == (130, b"", b"\n")
    wait_for_the_end_of_session(process.pid)
    assert all(json.loads(line) for line in file.read_text().splitlines())


def wait_for_the_end_of_session(session: int) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while alive_in_session(session):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def alive_in_session(session: int) -> bool:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            return True
    return False


def test_batch_in_several_processes_says_the_same_in_the_same_order(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise_pictures(tmp_path / "folder", 12)
    write(tmp_path / "folder" / "005a.png", b"not a picture")
    said = []
    for jobs in ("1", "2"):
        code = main(
            ["describe", str(tmp_path / "folder"), "--bundle", str(TINY_BUNDLE), "--jobs", jobs]
        )
        assert code == 4
        said.append(capfd.readouterr())
    assert said[0] == said[1]
    assert len(said[0].out.splitlines()) == 12


def test_batch_with_a_bundle_that_is_missing_ends_as_usual(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise_pictures(tmp_path / "folder", 2)
    assert main(["describe", str(tmp_path / "folder"), "--bundle", "/nowhere", "--jobs", "2"]) == 3
    assert capfd.readouterr().err.count("\n") == 1


def test_batch_loses_one_picture_when_a_process_dies_of_it(tmp_path: Path) -> None:
    for name in ("a", "b-fatal", "c", "d"):
        field(tmp_path / f"{name}.png", 200, 10, 10)
    tasks = [Task(source) for source in expand_sources([str(tmp_path)])]
    pool = WorkerPool(2, DescribeOptions(sources=()), open_fatal_describer)
    try:
        results = list(pool.looked(tasks))
    finally:
        pool.close()
    assert [looked.task.source.name[-5:] for looked in results] == [
        "a.png", "l.png", "c.png", "d.png",
    ]  # fmt: skip
    assert [isinstance(looked.error, InferenceError) for looked in results] == [
        False, True, False, False,
    ]  # fmt: skip
    assert "code -9" in str(results[1].error)


def test_batch_results_can_be_passed_between_processes(tmp_path: Path) -> None:
    sources = list(expand_sources([str(tmp_path), "camera:0", "-", "http://h/a.jpg", "a.mp4"]))
    assert [x.name for x in pickle.loads(pickle.dumps(sources))] == [x.name for x in sources]
    assert [x.is_file for x in sources] == [True, False, False, False, True]
    failed = Looked(Task(sources[0]), error=PictureError("no such picture"))
    assert str(pickle.loads(pickle.dumps(failed)).error) == "no such picture"


def test_batch_uses_every_core_that_memory_suffices_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(
        "seealoud.device.commands.describe_workers._free_mb", lambda: _free_mb(meminfo)
    )
    for free_mb, n_pictures, n_jobs in (
        (4000, 1000, 4), (600, 1000, 2), (100, 1000, 1), (4000, 25, 2), (4000, 3, 1), (4000, 0, 1),
    ):  # fmt: skip
        meminfo.write_text(f"MemTotal: 9 kB\nMemAvailable:  {free_mb * 1024} kB\n")
        assert job_count(None, n_pictures) == n_jobs
    assert (job_count(3, 1000), job_count(3, 2)) == (3, 2)


def test_batch_with_one_camera_among_files_stays_in_one_process(run: Run, folder: Path) -> None:
    code, out, _ = run(folder / "a.png", "camera:99", "--jobs", "4")
    assert (code, len(out)) == (5, 1)


# ---------------------------------------------------------------- progress


def test_batch_draws_a_bar_only_on_a_terminal_of_its_own(folder: Path, tmp_path: Path) -> None:
    """With a real terminal on stderr: the bar counts, and errors have lines of their own."""
    terminal, ours = os.openpty()
    noise_pictures(folder, 3)
    done = subprocess.Popen(
        program(folder, "--bundle", TINY_BUNDLE, "-o", tmp_path / "r.txt"),
        env=environment(), stderr=ours, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(ours)
    shown = b""
    try:
        while data := os.read(terminal, 4096):
            shown += data
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    assert done.stdout is not None
    assert done.stdout.read().startswith(b"Added descriptions of 6 pictures")
    done.stdout.close()
    assert done.wait(WAIT_S) == 4
    assert b"7/7" in shown
    assert f"\r\x1b[Kseealoud: {folder}/b.jpg cannot be read".encode() in shown


def test_batch_without_a_bar_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    silent = Progress(None)
    silent.advance()
    silent.clear()
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- the contact sheet


class Page(HTMLParser):
    """Collects the pictures, the visible words and every reference of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        self.references += [str(found[x]) for x in ("src", "href") if x in found]
        assert tag != "script"

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def test_batch_contact_sheet_has_every_picture_with_its_aspect_and_its_words(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    field(folder / "<wide> & tall.png", 10, 10, 200, size=(100, 2000))
    sheet, file = tmp_path / "s.html", tmp_path / "r.jsonl"
    run(folder / "a.png", "--output", file)
    # The first picture has a row already: it is on the page all the same.
    assert run(folder, "--output", file, "--contact-sheet", sheet)[0] == 4
    text = sheet.read_text(encoding="utf-8")
    page = Page(text)
    assert [image["alt"] for image in page.images] == [
        "A blue field.", "A green field.", "A blue field.", "A red field.",
    ]  # fmt: skip
    sizes = []
    for image in page.images:
        head, _, data = str(image["src"]).partition(",")
        assert head == "data:image/jpeg;base64"
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        sizes.append(pixels.shape[:2])
    assert sizes == [(32, 640), (24, 32), (24, 32), (24, 32)]
    assert all(x.startswith("data:image/jpeg;base64,") for x in page.references)
    assert "url(" not in text
    assert f"{folder}/<wide> & tall.png" in page.words
    assert f"{folder}/b.jpg cannot be read as a picture: it is text" in page.words
    assert '<html lang="en">' in text
    assert sorted(x.name for x in tmp_path.iterdir()) == ["folder", "r.jsonl", "s.html"]


def test_batch_contact_sheet_replaces_only_a_page_of_its_own(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "index.html"
    sheet.write_text("<html>My page</html>")
    code, _, err = run(folder, "--contact-sheet", sheet)
    assert (code, len(err)) == (2, 1)
    assert sheet.read_text() == "<html>My page</html>"
    sheet.unlink()
    for _ in range(2):
        code, out, _ = run(folder, "--contact-sheet", sheet)
        assert (code, len(out)) == (4, 3)
    assert run(folder, "--contact-sheet", tmp_path / "s.jpg")[0] == 2


def test_batch_contact_sheet_that_is_interrupted_leaves_the_old_one(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = tmp_path / "s.html"
    run(folder, "--contact-sheet", sheet)
    before = sheet.read_bytes()
    monkeypatch.setattr(
        "support.fakes.FakeDescriber.look",
        lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt),
    )
    assert run(folder, "--contact-sheet", sheet)[0] == 130
    assert sheet.read_bytes() == before
    assert sorted(x.name for x in tmp_path.iterdir()) == ["folder", "s.html"]


def test_batch_parts_of_the_program_itself_run_in_several_processes() -> None:
    assert pickle.loads(pickle.dumps(DescribeParts().open_describer))
