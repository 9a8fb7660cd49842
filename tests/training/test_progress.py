"""The line of an epoch: losses, scores, the best one, and the time that is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from seealoud.training.config import RunConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.progress import LossBar, epoch_line, log_epoch
from seealoud.training.run_folder import EpochResult

NAN = float("nan")
CONFIG = RunConfig.model_validate(
    {
        "name": "mine",
        "encoder": {"name": "efficientnet_lite0"},
        "decoder": {"name": "merge"},
        "optimiser": {"epochs": 4},
    }
)


def result(
    epoch: int, cider: float, household: float | None = None, train: float = 3.0
) -> EpochResult:
    return EpochResult(epoch, train, 2.5, cider, 0.1, 600.0, household)


@pytest.mark.parametrize(
    ("history", "line"),
    [
        (
            [result(1, 40.04)],
            "epoch 1 of 4: loss 3.000, dev loss 2.500, dev CIDEr 40.0 (the best so far); "
            "10 min, at most 30 min left",
        ),
        (
            [result(1, 40.0), result(2, 39.0)],
            "epoch 2 of 4: loss 3.000, dev loss 2.500, dev CIDEr 39.0 (best: epoch 1, 40.0); "
            "10 min, at most 20 min left",
        ),
        (
            [result(k + 1, k) for k in range(4)],
            "epoch 4 of 4: loss 3.000, dev loss 2.500, dev CIDEr 3.0 (the best so far); 10 min",
        ),
        (
            [result(1, 40.0, 20.0, NAN)],
            "epoch 1 of 4: loss unknown, dev loss 2.500, dev CIDEr 40.0, household CIDEr 20.0 "
            "(the best so far); 10 min, at most 30 min left",
        ),
        (
            [result(1, NAN), result(2, NAN)],
            "epoch 2 of 4: loss 3.000, dev loss 2.500 (best: epoch 1); 10 min, at most 20 min left",
        ),
    ],
)
def test_an_epoch_is_one_line(history: list[EpochResult], line: str) -> None:
    assert epoch_line(CONFIG, history) == line


def pictures(count: int) -> list[CaptionedPicture]:
    return [CaptionedPicture(f"{k}.jpg", Path(f"{k}.jpg"), (f"Dog {k} .",)) for k in range(count)]


@pytest.mark.parametrize(("count", "shown"), [(0, []), (1, [0]), (2, [0, 1]), (9, [0, 5])])
def test_two_captions_are_shown_beside_peoples(
    count: int, shown: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="seealoud")
    log_epoch(CONFIG, [result(1, 4.0)], pictures(9), {f"{k}.jpg": "a dog" for k in range(count)})
    lines = [record.getMessage().strip() for record in caplog.records]
    assert lines[1:] == [f"{k}.jpg: a dog | people: Dog {k} ." for k in shown]


def test_empty_captions_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    log_epoch(CONFIG, [result(1, 0.0)], pictures(2), {"0.jpg": "", "1.jpg": ""})
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "every caption of dev is empty" in warning.getMessage()
    caplog.clear()
    log_epoch(CONFIG, [result(1, 0.0)], pictures(2), {"0.jpg": "", "1.jpg": "a dog"})
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_the_bar_shows_the_loss_on_a_terminal_and_nothing_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for is_terminal in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda shown=is_terminal: shown)
        bar = LossBar(3, done=1, steps=4)
        bar.step(2.0)
        bar.step(1.0)
        bar._bar.refresh()
        bar.close()
        err = capsys.readouterr().err
        assert ("epoch 3" in err) is is_terminal
        assert ("loss=1.900" in err) is is_terminal
