"""Reads tensors from an old-style PyTorch checkpoint without PyTorch.

A pickle can run any code that it names. Here nothing is imported by name: three known names are
replaced by inert objects, every other name is refused, and no tensor can reach outside the bytes
of its own storage.

Layout (torch.save before 1.6): five pickles (magic number, protocol, system facts, the state
dict, the order of the storages), then per storage a little-endian int64 count and the raw
numbers.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seealoud.training.errors import WeightsError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_COUNT_BYTES = 8

# The marks are plain strings, which a pickle can neither call nor change.
_DTYPE_OF_STORAGE = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}

_MALFORMED = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)


class _Storage(NamedTuple):
    """A flat run of numbers that tensors view."""

    key: str
    dtype: str
    length: int


class _TensorView(NamedTuple):
    """A tensor as the pickle describes it; offset and strides are in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_state(data: bytes, *, source: str) -> dict[str, NDArray[Any]]:
    """Read the state dict of a checkpoint in PyTorch's legacy format.

    Args:
        data: The whole file.
        source: What to call the file in errors.

    Returns:
        Parameter name to array, in the file's order, shape and dtype, C-contiguous.

    Raises:
        WeightsError: the file is damaged, in another format, or names anything but
            tensors (which may be an attack).
    """
    try:
        return _read(io.BytesIO(data))
    except WeightsError as exc:
        raise WeightsError(f"{source}: {exc}") from exc
    except _MALFORMED as exc:
        raise WeightsError(f"{source} is not a readable PyTorch checkpoint: {exc}") from exc


class _RestrictedUnpickler(pickle.Unpickler):
    """Unpickles tensors' descriptions and refuses every other name."""

    def __init__(self, stream: io.BytesIO, *, allows_tensors: bool) -> None:
        super().__init__(stream, encoding="utf-8")
        self._allows_tensors = allows_tensors
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        if self._allows_tensors:
            if (module, name) == ("collections", "OrderedDict"):
                return OrderedDict
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return self._view_tensor  # bound: a pickle cannot set attributes on it
            if module == "torch" and name in _DTYPE_OF_STORAGE:
                return _DTYPE_OF_STORAGE[name]
        raise WeightsError(
            f"refused to load {module}.{name}: a checkpoint may hold only tensors. "
            "Do not use this file unless you trust where it is from"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, count, view = pid
        is_plain = kind == "storage" and dtype in _DTYPE_OF_STORAGE.values() and view is None
        if not (is_plain and isinstance(key, str) and isinstance(count, int) and count >= 0):
            raise WeightsError(f"refused a storage of an unknown kind: {pid!r}")
        storage = _Storage(key, dtype, count)
        if self.storages.setdefault(key, storage) != storage:
            raise WeightsError(f"storage {key} is declared twice, differently")
        return storage

    def _view_tensor(self, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Any:
        numbers = (offset, *shape, *strides)
        is_sound = isinstance(storage, _Storage) and len(shape) == len(strides)
        if not is_sound or any(not isinstance(n, int) or n < 0 for n in numbers):
            raise WeightsError(f"refused a tensor of shape {shape!r}, strides {strides!r}")
        # Without this check a tensor could read memory beyond its storage.
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if 0 not in shape and last >= storage.length:
            raise WeightsError(f"a tensor of shape {shape} reaches outside its storage")
        return _TensorView(storage, offset, tuple(shape), tuple(strides))


def _load(stream: io.BytesIO) -> Any:
    return _RestrictedUnpickler(stream, allows_tensors=False).load()


def _read(stream: io.BytesIO) -> dict[str, NDArray[Any]]:
    magic, protocol = _load(stream), _load(stream)
    if magic != _MAGIC_NUMBER or protocol != _PROTOCOL:
        raise WeightsError("this is not PyTorch's legacy checkpoint format")
    if _load(stream)["little_endian"] is not True:
        raise WeightsError("the numbers are big-endian, which is not supported")
    unpickler = _RestrictedUnpickler(stream, allows_tensors=True)
    state = unpickler.load()
    if not isinstance(state, dict):
        raise WeightsError(f"the checkpoint holds a {type(state).__name__}, not a state dict")
    numbers = _read_storages(stream, unpickler.storages)
    return {str(name): _materialize(str(name), view, numbers) for name, view in state.items()}


def _read_storages(stream: io.BytesIO, declared: dict[str, _Storage]) -> dict[str, NDArray[Any]]:
    keys = _load(stream)
    if sorted(keys) != sorted(declared):
        raise WeightsError("the storages in the file are not those that its tensors name")
    numbers: dict[str, NDArray[Any]] = {}
    for key in keys:
        storage = declared[key]
        dtype = np.dtype(storage.dtype)
        count = int.from_bytes(stream.read(_COUNT_BYTES), "little", signed=True)
        raw = stream.read(storage.length * dtype.itemsize)
        if count != storage.length or len(raw) != storage.length * dtype.itemsize:
            raise WeightsError(f"storage {key} is cut short or has a wrong length")
        numbers[key] = np.frombuffer(raw, dtype)
    if stream.read(1):
        raise WeightsError("there are bytes after the last storage")
    return numbers


def _materialize(name: str, view: object, numbers: dict[str, NDArray[Any]]) -> NDArray[Any]:
    if not isinstance(view, _TensorView):
        raise WeightsError(f"{name} is a {type(view).__name__}, not a tensor")
    flat = numbers[view.storage.key]
    strides = tuple(step * flat.itemsize for step in view.strides)
    window = flat[view.offset :]
    return np.lib.stride_tricks.as_strided(window, view.shape, strides, writeable=False).copy("C")
