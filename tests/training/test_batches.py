"""Batches: an order that (seed, epoch) fixes, every picture once, mirrored words where needed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seealoud.device.vision.vocabulary import END, START, Vocabulary
from seealoud.training.batches import Batch, CaptionedFeatures, encode_pictures
from seealoud.training.config import ExtraDataConfig
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.devices import Devices
from seealoud.training.errors import DatasetError
from seealoud.training.feature_files import FeatureFiles, write_shard
from seealoud.training.mixed_batches import ExtraFeatures, MixedBatches

VOCABULARY = Vocabulary.from_words(["a", "dog", "left", "right", "of"])
A, DOG, LEFT, RIGHT, OF = range(4, 9)
MAX_WORDS = 5
GRID = (2, 2, 3)


def pictures(count: int, n_captions: int = 2) -> list[CaptionedPicture]:
    captions = ("A dog , left of a dog .",) * n_captions
    return [CaptionedPicture(f"{k}.jpg", Path(f"{k}.jpg"), captions) for k in range(count)]


def made(count: int, n_views: int = 1) -> CaptionedFeatures:
    """Features that encode their picture and view: channel 0 the picture, channel 1 the view."""
    features = []
    for view in range(n_views):
        of_view = np.zeros((count, *GRID), np.float16)
        of_view[..., 0] = np.arange(count)[:, None, None]
        of_view[..., 1] = view
        features.append(of_view)
    return CaptionedFeatures(pictures(count), features, VOCABULARY, MAX_WORDS)


def seen(batches: list[Batch]) -> tuple[list[int], list[int]]:
    """Return the pictures and the views, in the order of the batches."""
    features = np.concatenate([batch.features for batch in batches])
    return features[:, 0, 0, 0].astype(int).tolist(), features[:, 0, 0, 1].astype(int).tolist()


def test_a_batch_holds_what_a_step_needs() -> None:
    (batch, *_) = made(8).epoch(4, seed=1, epoch=0)
    assert batch.features.shape == (4, *GRID)
    assert batch.features.dtype == np.float16
    assert batch.inputs.shape == batch.targets.shape == (4, 2, MAX_WORDS + 1)
    assert batch.inputs.dtype == batch.targets.dtype == np.int32
    assert batch.inputs[0, 0].tolist() == [START, A, DOG, LEFT, OF, 0]
    assert batch.targets[0, 0].tolist() == [A, DOG, LEFT, OF, A, 0]


def test_seed_and_epoch_fix_the_order() -> None:
    captioned = made(40, n_views=4)
    orders = {
        (seed, epoch): seen(list(captioned.epoch(8, seed, epoch)))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    for (seed, epoch), order in orders.items():
        assert seen(list(made(40, n_views=4).epoch(8, seed, epoch))) == order
    assert len({str(order) for order in orders.values()}) == len(orders)
    assert orders[0, 0][0] != sorted(orders[0, 0][0])


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 9), st.integers(0, 9))
def test_an_epoch_shows_every_picture_once(count: int, size: int, seed: int, epoch: int) -> None:
    """But for those of the last, smaller batch: they are others in every epoch."""
    captioned = made(count)
    batches = list(captioned.epoch(size, seed, epoch))
    assert len(batches) == captioned.steps(size)
    shown, _ = seen(batches)
    assert len(shown) == len(set(shown))
    if count >= size:
        assert {len(batch.features) for batch in batches} == {size}
        assert count - len(shown) < size
    else:
        assert len(shown) == count


def test_other_pictures_are_left_out_in_other_epochs() -> None:
    left_out = [
        set(range(10)) - set(seen(list(made(10).epoch(4, seed=1, epoch=epoch)))[0])
        for epoch in range(6)
    ]
    assert len(set.union(*left_out)) > 2


def test_views_are_drawn_anew_for_every_picture() -> None:
    captioned = made(300, n_views=3)
    _, first = seen(list(captioned.epoch(30, seed=1, epoch=0)))
    _, second = seen(list(captioned.epoch(30, seed=1, epoch=1)))
    for chosen in (first, second):
        counts = np.bincount(chosen, minlength=3)
        assert counts.min() > 70  # of 100 expected; 4 standard deviations
    assert first != second


def test_a_mirrored_view_gets_mirrored_words() -> None:
    (batch,) = made(60, n_views=4).epoch(60, seed=1, epoch=0)
    _, chosen = seen([batch])
    assert set(chosen) == {0, 1, 2, 3}
    for view, inputs, targets in zip(chosen, batch.inputs, batch.targets, strict=True):
        side, other = (RIGHT, LEFT) if view % 2 else (LEFT, RIGHT)
        for rows in (inputs, targets):
            assert (rows == side).any(axis=1).all()
            assert not (rows == other).any()


@pytest.mark.parametrize(("size", "sizes"), [(4, [4, 4, 2]), (5, [5, 5]), (20, [10])])
def test_plain_shows_all_in_order(size: int, sizes: list[int]) -> None:
    captioned = made(10, n_views=3)
    batches = list(captioned.plain(size))
    assert [len(batch.features) for batch in batches] == sizes
    assert seen(batches) == (list(range(10)), [0] * 10)
    np.testing.assert_array_equal(
        captioned.plain_features(), np.concatenate([batch.features for batch in batches])
    )
    assert not any((batch.targets == RIGHT).any() for batch in batches)


def test_fewer_captions_than_others_are_filled_with_padding() -> None:
    mixed = [
        CaptionedPicture("one.jpg", Path("one.jpg"), ("A dog .",)),
        CaptionedPicture("three.jpg", Path("three.jpg"), ("A .", "Dog .", "Of .")),
    ]
    inputs, targets = encode_pictures(mixed, VOCABULARY, MAX_WORDS)
    assert inputs.shape == targets.shape == (2, 3, MAX_WORDS + 1)
    assert targets[0, 0, :3].tolist() == [A, DOG, END]
    assert not inputs[0, 1:].any()
    assert not targets[0, 1:].any()
    assert targets[1, :, 0].tolist() == [A, DOG, OF]


# --- several data sets in a step --------------------------------------------------------------

N_MAIN, MAIN_BATCH = 12, 4  # three steps an epoch
Parts = tuple[Batch, ...]


def extra(count: int, batch_pictures: int, loss_weight: float = 0.5) -> ExtraFeatures:
    settings = ExtraDataConfig(name="homes", batch_pictures=batch_pictures, loss_weight=loss_weight)
    return ExtraFeatures(made(count, n_views=3), settings)


def steps_of(*others: ExtraFeatures, epochs: int = 1, seed: int = 1) -> list[Parts]:
    main = made(N_MAIN, n_views=2)
    return [
        parts
        for epoch in range(epochs)
        for parts in MixedBatches(main, others, MAIN_BATCH, seed).epoch(epoch)
    ]


def test_a_step_has_a_batch_of_each_data_set_with_its_weight() -> None:
    steps = steps_of(extra(20, 5, 0.5), extra(7, 2, 0.1))
    assert len(steps) == N_MAIN // MAIN_BATCH
    for parts in steps:
        assert [len(part.pictures) for part in parts] == [MAIN_BATCH, 5, 2]
        assert [part.weight for part in parts] == [1.0, 0.5, 0.1]


def test_further_pictures_change_nothing_of_the_main_ones() -> None:
    main = list(made(N_MAIN, n_views=2).epoch(MAIN_BATCH, seed=1, epoch=0))
    found = [parts[0] for parts in steps_of(extra(20, 5))]
    assert seen(found) == seen(main)


@given(st.integers(1, 15), st.integers(1, 20), st.integers(0, 9))
def test_each_pass_shows_every_further_picture_once(count: int, size: int, seed: int) -> None:
    """However passes and epochs fall together."""
    batches = MixedBatches(made(N_MAIN), [extra(count, size)], MAIN_BATCH, seed)
    drawn = [batches.drawn(epoch) for epoch in range(4)]
    shown = [int(k) for draw in drawn for step in range(batches.steps) for k in draw(step)[1][0]]
    passes = [shown[start : start + count] for start in range(0, len(shown), count)]
    for one in passes:
        assert len(set(one)) == len(one)
    assert all(set(one) == set(range(count)) for one in passes[:-1])


def test_passes_have_orders_of_their_own() -> None:
    steps = steps_of(extra(30, 10), epochs=2)
    shown, chosen = seen([parts[1] for parts in steps])
    assert shown[:30] != shown[30:]
    assert chosen[:30] != chosen[30:]
    assert set(chosen) == {0, 1, 2}


def test_seed_epoch_and_step_fix_what_is_drawn() -> None:
    """So a run that is killed in an epoch goes on with the steps that it had not taken."""
    part = extra(11, 4)
    whole = steps_of(part, epochs=3)
    again = steps_of(extra(11, 4), epochs=3)
    assert [seen(list(parts)) for parts in again] == [seen(list(parts)) for parts in whole]
    # A process of its own, which begins in the second epoch and skips a step.
    later = MixedBatches(made(N_MAIN, n_views=2), [extra(11, 4)], MAIN_BATCH, 1)
    rest = list(later.epoch(1, first_step=1))
    wanted = whole[4:6]
    assert [seen(list(parts)) for parts in rest] == [seen(list(parts)) for parts in wanted]
    other = steps_of(extra(11, 4), epochs=3, seed=2)
    assert [seen([parts[1]]) for parts in other] != [seen([parts[1]]) for parts in whole]


@pytest.mark.parametrize("n_workers", [2, 3])
def test_workers_see_together_what_one_process_would(n_workers: int) -> None:
    """Each its own rows of every part, none of them twice."""
    whole = steps_of(extra(11, 4))
    shared = [
        list(
            MixedBatches(
                made(N_MAIN, n_views=2),
                [extra(11, 4)],
                MAIN_BATCH,
                1,
                Devices(worker=worker, n_workers=n_workers).share,
            ).epoch(0)
        )
        for worker in range(n_workers)
    ]
    for step, parts in enumerate(whole):
        for k, part in enumerate(parts):
            mine = [of_worker[step][k] for of_worker in shared]
            assert seen(mine) == seen([part])
            assert [one.first for one in mine] == list(
                itertools.accumulate([0, *(len(one) for one in mine[:-1])])
            )
            assert {one.whole for one in mine} == {len(part)}
            joined = np.concatenate([one.targets for one in mine])
            np.testing.assert_array_equal(joined, part.targets)


def test_a_part_of_a_batch_knows_its_place() -> None:
    (batch, *_) = made(8).epoch(4, seed=1, epoch=0)
    (part,) = [batch.part(1, 4).part(2, 4)]
    assert (part.first, part.whole, len(part)) == (2, 4, 2)
    np.testing.assert_array_equal(part.pictures, batch.pictures[2:])


def test_features_in_files_give_the_same_batches_as_in_memory(tmp_path: Path) -> None:
    """Also from several shards and views."""
    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=(10, *GRID)).astype(np.float16) for _ in range(3)]
    files = []
    for view, array in enumerate(arrays):
        shards = []
        for start in range(0, 10, 4):
            path = tmp_path / f"{view}-{start}.tfrecord"
            write_shard(path, pictures(10)[start : start + 4], iter(array[start : start + 4]))
            shards.append((path, pictures(10)[start : start + 4]))
        files.append(FeatureFiles(shards))
    assert (len(files[0]), files[0].shape) == (10, (10, *GRID))
    np.testing.assert_array_equal(files[1][3:9], arrays[1][3:9])
    in_memory = CaptionedFeatures(pictures(10), arrays, VOCABULARY, MAX_WORDS)
    in_files = CaptionedFeatures(pictures(10), files, VOCABULARY, MAX_WORDS)
    for ours, theirs in zip(
        MixedBatches(in_files, (), 3, 1).epoch(2),
        MixedBatches(in_memory, (), 3, 1).epoch(2),
        strict=True,
    ):
        np.testing.assert_array_equal(ours[0].features, theirs[0].features)
        np.testing.assert_array_equal(ours[0].views, theirs[0].views)


def test_a_file_that_is_cut_off_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "0.tfrecord"
    write_shard(path, pictures(4), iter(np.zeros((4, *GRID), np.float16)))
    files = FeatureFiles([(path, pictures(4))])
    path.write_bytes(path.read_bytes()[:100])
    captioned = CaptionedFeatures(pictures(4), [files], VOCABULARY, MAX_WORDS)
    with pytest.raises(DatasetError, match="is damaged: delete its folder"):
        list(MixedBatches(captioned, (), 2, 1).epoch(0))
