"""``reproduce``: the plan, what is skipped, and a chain that is killed and goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.command_line import Run, runner
from support.smoke import CONFIG, EPOCHS, NAME, Done, Smoke, kill_when_it_has

from seealoud.convert.reproduce import Planned, carry_out, compare, describe, main, require_data
from seealoud.training.data.dataset import Dataset
from seealoud.training.errors import DatasetError, TrainingError

ROOT = Path(__file__).parents[2]
NOTHING = Dataset((), (), ())


@dataclass
class FakeStage:
    """Is over once it was run."""

    name: str
    over: bool = False
    fails: bool = False
    lacks: str = ""
    runs: list[str] = field(default_factory=list)

    def is_over(self) -> bool:
        return self.over

    def require_data(self, dataset: Dataset) -> None:
        if self.lacks:
            raise DatasetError(self.lacks)

    def run(self, dataset: Dataset) -> None:
        if self.fails:
            raise TrainingError("no")
        self.runs.append(self.name)
        self.over = True


# --- plan -------------------------------------------------------------------------------------


def test_the_plan_shows_stages_times_and_what_is_finished() -> None:
    plan = [
        Planned(FakeStage("train a", over=True), 36_000.0),
        Planned(FakeStage("train b"), None),
        Planned(FakeStage("convert b"), 360.0),
    ]
    assert list(describe(plan))[1:] == [
        "  1. train a: 10 h 00 min, over already",
        "  2. train b: not recorded",
        "  3. convert b: 6 min",
        "in all 10 h 06 min, 1 not recorded",
    ]


def test_the_plan_ends_with_the_time_of_all_stages() -> None:
    plan = [Planned(FakeStage("train a", over=True), 3000.0), Planned(FakeStage("b"), 660.0)]
    assert list(describe(plan))[-1] == "in all 1 h 01 min"


def test_what_is_over_is_skipped() -> None:
    plan = [Planned(FakeStage("a", over=True), None), Planned(FakeStage("b"), 5.0)]
    assert list(carry_out(plan, NOTHING)) == [
        "a: over already, skipped",
        "b: 0 s (expected: 5 s)",
    ]
    assert [stage.stage.runs for stage in plan] == [[], ["b"]]


def test_a_failure_ends_it_and_the_next_time_it_goes_on_there() -> None:
    second = FakeStage("b", fails=True)
    plan = [Planned(FakeStage("a"), None), Planned(second, None), Planned(FakeStage("c"), None)]
    lines = carry_out(plan, NOTHING)
    assert next(lines).startswith("a: ")
    with pytest.raises(TrainingError):
        next(lines)
    assert plan[2].stage.runs == []
    second.fails = False
    assert [line.split(": ")[1][:4] for line in carry_out(plan, NOTHING)] == [
        "over",
        "0 s ",
        "0 s ",
    ]
    assert plan[0].stage.runs == ["a"]


def test_what_is_missing_for_a_later_stage_is_reported_before_the_first() -> None:
    lacking = FakeStage("b", lacks="no folder rooms")
    plan = [Planned(FakeStage("a"), None), Planned(lacking, None)]
    with pytest.raises(DatasetError, match="no folder rooms"):
        require_data(plan, NOTHING)
    lacking.over = True
    require_data(plan, NOTHING)


def test_it_is_compared_with_what_ships() -> None:
    shipped = ROOT / "models" / (ROOT / "models" / "DEFAULT").read_text().strip()
    assert list(compare(shipped, shipped)) == []
    assert list(compare(shipped, ROOT / "models" / "nothing")) == []
    linked = list(compare(ROOT / "models" / ".." / "models" / shipped.name, shipped))
    assert linked == []


# --- command line -----------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner("reproduce", main, monkeypatch, capsys)


def test_a_dry_run_shows_the_plan_of_the_shipped_bundle_and_does_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("--dry-run", "--runs", tmp_path / "runs", "--data", tmp_path / "no")
    assert code == 0
    name = (ROOT / "models" / "DEFAULT").read_text().strip()
    *_, train, convert, in_all = out.splitlines()
    assert f"train {name}: " in train
    assert f"convert {name}: " in convert
    assert in_all.startswith("in all ")
    assert "not recorded" not in out
    assert "over already" not in out
    assert list(tmp_path.iterdir()) == []


def test_a_circle_is_one_line(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    config.write_text('start_from = "a"\n' + CONFIG.replace(f'name = "{NAME}"', 'name = "a"', 1))
    code, out, err = run(config, "--dry-run", "--runs", tmp_path)
    assert (code, out) == (9, "")
    assert err.splitlines()[-1].startswith("reproduce: the runs start from each other in a circle")


def test_missing_data_is_one_line(run: Run, smoke: Smoke, tmp_path: Path) -> None:
    code, _, err = run(smoke.config, "--runs", tmp_path / "runs", "--data", tmp_path / "no")
    assert code == 9
    assert err.splitlines()[-1].startswith(f"reproduce: no folder {tmp_path / 'no'}: ")


def test_further_pictures_that_are_missing_are_one_line_before_any_training(
    run: Run, smoke: Smoke, tmp_path: Path
) -> None:
    """Of the run that comes last, while the first one is not trained."""
    first, last = tmp_path / "first.toml", tmp_path / "last.toml"
    first.write_text(CONFIG.replace(f'name = "{NAME}"', 'name = "first"', 1))
    head = CONFIG.replace(f'name = "{NAME}"', 'name = "last"\nstart_from = "first"', 1)
    extra = "".join(
        f'[[extra_data]]\nname = "{name}"\nbatch_pictures = 2\n' for name in ("homes", "rooms")
    )
    last.write_text(head + extra)
    arguments = (last, "--runs", tmp_path / "runs", "--data", smoke.data)
    code, _, err = run(*arguments)
    assert code == 9
    beside = smoke.data.parent
    assert err.splitlines()[-1] == (
        "reproduce: last learns from further pictures that are missing: "
        f"no folder {beside / 'homes'}, no folder {beside / 'rooms'}; "
        "give the folders with --extra homes=DIR --extra rooms=DIR"
    )
    code, _, err = run(*arguments, "--extra", f"rooms={tmp_path}")
    assert code == 9
    assert f"no folder {beside / 'homes'}; give the folders with --extra homes=DIR" in err
    assert not (tmp_path / "runs").exists()


def test_a_chain_may_begin_with_a_bundle(run: Run, tmp_path: Path) -> None:
    shipped = (ROOT / "models" / "DEFAULT").read_text().strip()
    config = tmp_path / "mine.toml"
    config.write_text(
        CONFIG.replace(f'name = "{NAME}"', f'name = "mine"\nstart_from = "{shipped}"', 1)
    )
    arguments = ("--from-bundle", ROOT / "models" / shipped, "--dry-run", "--runs", tmp_path)
    code, out, _ = run(config, *arguments)
    assert code == 0
    assert [line.partition(": ")[0] for line in out.splitlines()[1:-1]] == [
        f"  1. recover {shipped}",
        "  2. train mine",
        "  3. convert mine",
    ]


# --- real processes ---------------------------------------------------------------------------

MORE = "tiny-more"


@pytest.fixture(scope="module")
def arguments(smoke: Smoke, trained: Done) -> tuple[object, ...]:
    """Of a chain of two, the first of which is trained already."""
    assert trained.returncode == 0, trained.stderr[-2000:]
    config = smoke.root / f"{MORE}.toml"
    text = CONFIG.replace(f'name = "{NAME}"', f'name = "{MORE}"\nstart_from = "{NAME}"', 1)
    # It hardly moves: what int8 may lose is tried on the weights that passed already.
    text = text.replace("5e-3", "1e-6").replace("1e-3", "1e-6")
    config.write_text(text.replace(f"epochs = {EPOCHS}", "epochs = 2", 1))
    folders = ("--data", smoke.data, "--runs", smoke.runs, "--out", smoke.root / "reproduced")
    return config, "--no-detector", *folders


@pytest.mark.slow
@pytest.mark.long
def test_a_killed_one_goes_on_where_it_was(
    smoke: Smoke, arguments: tuple[object, ...], run: Run
) -> None:
    before = (smoke.run / "best.weights.h5").stat().st_mtime_ns
    checkpoint = smoke.runs / MORE / "checkpoints" / "checkpoint"
    assert kill_when_it_has(checkpoint, smoke, "reproduce", *arguments) == -9
    assert not (smoke.runs / MORE / "history.csv").exists()
    again = smoke.execute("reproduce", *arguments)
    assert again.returncode == 0, again.stderr[-2000:]
    assert f"resumed from {checkpoint.parent}/ckpt-" in again.stderr
    plan, done = again.stdout.splitlines()[1:4], again.stdout.splitlines()[5:]
    assert plan[0] == f"  1. train {NAME}: not recorded, over already"
    assert [line.partition(":")[0] for line in plan[1:]] == [
        f"  2. train {MORE}",
        f"  3. convert {MORE}",
    ]
    assert done[0] == f"train {NAME}: over already, skipped"
    assert done[1].startswith(f"train {MORE}: ")
    assert done[2].startswith(f"convert {MORE}: ")
    bundle = smoke.root / "reproduced" / MORE
    assert done[3:] == [f"wrote {bundle}"]
    assert (bundle.parent / "runs" / f"{MORE}.json").is_file()
    assert (smoke.run / "best.weights.h5").stat().st_mtime_ns == before
    # A third time there is nothing to do.
    written = {path: path.stat().st_mtime_ns for path in bundle.iterdir()}
    code, out, _ = run(*arguments)
    assert code == 0
    assert out.count(": over already, skipped") == 3
    assert written == {path: path.stat().st_mtime_ns for path in bundle.iterdir()}
