"""Files of features: TFRecord shards that are written once and read picture by picture.

Memory does not grow with the data: a shard is read through once to check it (CRC, names, order),
then only the place of each grid is kept, eight bytes a picture and view.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.errors import DatasetError

Features = npt.NDArray[np.float16]
# Of a record: its length and the length's checksum before it, its own checksum behind it.
_BEFORE_BYTES, _BEHIND_BYTES = 12, 4


class FeatureFiles:
    """The features of pictures in shards: like an array [pictures, height, width, channels].

    Args:
        shards: each shard's file, and the pictures that it must hold, in order.

    Raises:
        DatasetError: a shard is damaged or holds other pictures.
    """

    def __init__(self, shards: Sequence[tuple[Path, Sequence[CaptionedPicture]]]) -> None:
        self._paths = [path for path, _ in shards]
        places = [_places(path, [picture.name for picture in part]) for path, part in shards]
        self._offsets = np.concatenate([offsets for offsets, _ in places])
        self._firsts = np.cumsum([0, *(len(offsets) for offsets, _ in places[:-1])])
        shapes = {shape for _, shape in places}
        if len(shapes) != 1:
            raise DatasetError(f"feature cache {self._paths[0].parent} is damaged: delete it")
        self._grid_shape = shapes.pop()

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def shape(self) -> tuple[int, ...]:
        """As an array's."""
        return len(self), *self._grid_shape

    def rows(self, indices: Sequence[int]) -> Features:
        """Return the features of some pictures, float16 [indices, height, width, channels]."""
        rows = np.empty((len(indices), *self._grid_shape), np.float16)
        for row, index in zip(rows, indices, strict=True):
            path = self._paths[int(np.searchsorted(self._firsts, index, side="right")) - 1]
            at = int(self._offsets[index])
            grid = np.fromfile(path, np.float16, count=row.size, offset=at)
            if grid.size != row.size:
                raise DatasetError(f"feature cache {path} is damaged: delete its folder")
            row[...] = grid.reshape(self._grid_shape)
        return rows

    def __getitem__(self, part: slice) -> Features:
        return self.rows(range(*part.indices(len(self))))


def write_shard(
    path: Path, pictures: Sequence[CaptionedPicture], grids: Iterator[Features]
) -> None:
    """Write to a temporary name and move: a killed run leaves no half shard."""
    temporary = path.with_suffix(f".{os.uname().nodename}.{os.getpid()}.part")
    with tf.io.TFRecordWriter(str(temporary)) as writer:
        for picture, grid in zip(pictures, grids, strict=True):
            feature = {
                "name": _bytes(picture.name.encode()),
                "shape": tf.train.Feature(int64_list=tf.train.Int64List(value=grid.shape)),
                "grid": _bytes(grid.tobytes()),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    temporary.replace(path)


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _places(path: Path, names: Sequence[str]) -> tuple[npt.NDArray[np.int64], tuple[int, ...]]:
    """Return at which byte of a shard each grid begins, and a grid's shape."""
    offsets, found, shapes, record_at = [], [], set(), 0
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            found.append(feature["name"].bytes_list.value[0].decode())
            shapes.add(tuple(feature["shape"].int64_list.value))
            grid_at = record.find(feature["grid"].bytes_list.value[0])
            offsets.append(record_at + _BEFORE_BYTES + grid_at)
            record_at += _BEFORE_BYTES + len(record) + _BEHIND_BYTES
    except tf.errors.DataLossError as exc:
        raise DatasetError(f"feature cache {path} is damaged: delete its folder") from exc
    if found != list(names) or len(shapes) != 1:
        raise DatasetError(f"feature cache {path} is of other pictures: delete its folder")
    return np.array(offsets, np.int64), shapes.pop()
