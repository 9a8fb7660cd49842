"""LiteRT's own profiler of operators, through its C interface.

The Python interfaces of ai-edge-litert 2.3 do not offer it, its shared library does. Invariant:
only this module knows the C interface (litert/c/*.h, structures as of 2.3).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ai_edge_litert

_LIBRARY = Path(ai_edge_litert.__file__).parent / "libLiteRt.so"
_OK = 0
_CPU = 1
_LOCK_FOR_WRITING = 1
_NS_PER_US = 1000
_TYPE_BYTES = 512  # more than a ranked tensor type has, whose parts are of no interest here
# Options travel as TOML under the name of the part of the runtime that reads them.
_RUNTIME_OPTIONS = (b"runtime_options_string", b"enable_profiling = true\n")
_CPU_OPTIONS = (b"xnnpack", b"num_threads = 1\n")
_OPERATOR_EVENT, _DELEGATE_EVENTS = 2, (4, 8)

_Handle = ctypes.c_void_p
_Size = ctypes.c_size_t
_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Event(ctypes.Structure):
    """``ProfiledEventData``; times in whole microseconds."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_uint64 * 6),
        ("node", ctypes.c_uint64),
        ("subgraph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """One operator in one run.

    Attributes:
        operator: name in TFLite, or in XNNPACK where it ran inside the delegate.
        is_delegated: whether it ran inside the delegate.
        elapsed_us: whole microseconds, cut off.
    """

    operator: str
    is_delegated: bool
    elapsed_us: int


@dataclass(frozen=True, slots=True)
class Profile:
    """One run of a signature: the whole by this program's clock, and its operators in order."""

    whole_us: float
    events: tuple[OperatorEvent, ...]


class ProfiledModel:
    """A model on one CPU thread whose operators are timed; every input is zeros.

    What the library allocates is left to the end of the process, which measures and ends.

    Args:
        path: the model.

    Raises:
        RuntimeError: the library refuses a call; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(_LIBRARY))
        self._kept: list[Any] = []  # what the library points to
        self._environment = self._make("LiteRtCreateEnvironment", 0, None)
        self._model = self._make("LiteRtCreateModelFromFile", self._environment, bytes(path))
        options = self._make("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        for name, toml in (_RUNTIME_OPTIONS, _CPU_OPTIONS):
            self._add_options(options, name, toml)
        self._compiled = self._make(
            "LiteRtCreateCompiledModel", self._environment, self._model, options
        )
        self._profiler = self._make("LiteRtCompiledModelGetProfiler", self._compiled)
        if not self._profiler:
            raise RuntimeError("this LiteRT has no profiler: expected ai-edge-litert 2.3")

    def signatures(self) -> tuple[str, ...]:
        """Return the names of the signatures in the order of the file."""
        count = self._count("LiteRtGetNumModelSignatures", self._model)
        return tuple(self._name_of(self._signature(index)) for index in range(count))

    def runner(self, index: int) -> Callable[[], Profile]:
        """Return what runs the signature of that number once and returns its profile."""
        inputs = self._buffers(index, "Input")
        outputs = self._buffers(index, "Output")
        arguments = (_Size(len(inputs)), inputs, _Size(len(outputs)), outputs)

        def run() -> Profile:
            self._call("LiteRtResetProfiler", self._profiler)
            self._call("LiteRtStartProfiler", self._profiler)
            # Not the profiler's own event of the whole: from the second run on it is no time.
            began_ns = time.perf_counter_ns()
            self._call("LiteRtRunCompiledModel", self._compiled, _Size(index), *arguments)
            whole_us = (time.perf_counter_ns() - began_ns) / _NS_PER_US
            self._call("LiteRtStopProfiler", self._profiler)
            return Profile(whole_us, self._events())

        return run

    def _events(self) -> tuple[OperatorEvent, ...]:
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        return tuple(
            OperatorEvent(e.tag.decode(), e.type in _DELEGATE_EVENTS, e.elapsed_us)
            for e in events
            if e.type in (_OPERATOR_EVENT, *_DELEGATE_EVENTS)
        )

    def _add_options(self, options: Any, name: bytes, toml: bytes) -> None:
        text = ctypes.create_string_buffer(toml)
        deleter = _Deleter(lambda _: None)
        self._kept += [text, deleter]
        opaque = self._make("LiteRtCreateOpaqueOptions", name, text, deleter)
        self._call("LiteRtAddOpaqueOptions", options, opaque)

    def _signature(self, index: int) -> Any:
        return self._make("LiteRtGetModelSignature", self._model, _Size(index))

    def _name_of(self, signature: Any) -> str:
        name = ctypes.c_char_p()
        self._call("LiteRtGetSignatureKey", signature, ctypes.byref(name))
        return (name.value or b"").decode()

    def _buffers(self, index: int, kind: str) -> Any:
        """Return a C array of buffers of zeros, one for each "Input" or "Output"."""
        signature = self._signature(index)
        count = self._count(f"LiteRtGetNumSignature{kind}s", signature)
        buffers = (_Handle * count)()
        for number in range(count):
            tensor = self._make(f"LiteRtGetSignature{kind}TensorByIndex", signature, _Size(number))
            tensor_type = ctypes.create_string_buffer(_TYPE_BYTES)
            self._call("LiteRtGetRankedTensorType", tensor, tensor_type)
            requirements = self._make(
                f"LiteRtGetCompiledModel{kind}BufferRequirements",
                *(self._compiled, _Size(index), _Size(number)),
            )
            buffers[number] = self._make(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                *(self._environment, tensor_type, requirements),
            )
            self._fill_with_zeros(_Handle(buffers[number]))
        return buffers

    def _fill_with_zeros(self, buffer: Any) -> None:
        # Whatever lies in the memory would be an index out of bounds for GATHER.
        size = self._count("LiteRtGetTensorBufferSize", buffer)
        address = _Handle()
        self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(address), _LOCK_FOR_WRITING)
        ctypes.memset(address, 0, size)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _make(self, function: str, *arguments: Any) -> Any:
        """Return the handle that a function gives in its last argument."""
        handle = _Handle()
        self._call(function, *arguments, ctypes.byref(handle))
        return handle

    def _count(self, function: str, *arguments: Any) -> int:
        """Return the size that a function gives in its last argument."""
        count = _Size()
        self._call(function, *arguments, ctypes.byref(count))
        return count.value

    def _call(self, function: str, *arguments: Any) -> None:
        status = getattr(self._library, function)(*arguments)
        if status != _OK:
            raise RuntimeError(f"LiteRT refuses {function}: status {status}")
