"""Prints the benchmark's figures: one column for each variant and thread count."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from typing import Any

from device.doctor.machine import board_name
from device.vision.runtime import runtime_name

_LABEL_WIDTH = 24
_COLUMN_WIDTH = 20


def machine_facts() -> dict[str, Any]:
    """Return what the figures depend on: processor, cores, load, versions."""
    return {
        "processor": board_name(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        # Other programs' part in the figures: above the number of cores they are too high.
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "runtime": runtime_name(),
    }


def print_report(result: dict[str, Any]) -> None:
    """Print all figures."""
    machine, captions, speech = result["machine"], result["captions"], result["speech"]
    print(
        f"SeeAloud {result['bundle']} on {machine['processor']} ({machine['architecture']}), "
        f"{machine['cores']} cores, load before {machine['load_before']}\n"
        f"{machine['runtime']}, Python {machine['python']}; {len(result['pictures'])} pictures, "
        f"{result['runs']} rounds; milliseconds, median (95th percentile)\n"
    )
    _print_head([f"{c['variant']}, {_threads(c['threads'])}" for c in captions])
    _print_row("preprocessing", captions, lambda c: _pair(c["preprocess_ms"]))
    _print_row("encoder", captions, lambda c: _pair(c["encoder_ms"]))
    _print_row("decoder: prepare", captions, lambda c: _pair(c["prepare_ms"]))
    _print_row("decoder: one step", captions, lambda c: _pair(c["decoder_step_ms"]))
    _print_row("steps per caption", captions, lambda c: f"{c['steps']['median']:.0f}")
    _print_row("whole caption", captions, lambda c: _pair(c["caption_ms"]))
    _print_row("... to its bare runs", captions, lambda c: _ratio(c["caption_to_bare_runs"]))
    _print_row("peak memory", captions, lambda c: f"{c['peak_memory_mb']:.0f} MB")
    _print_row("models on disk", captions, lambda c: f"{c['bundle_bytes'] / 1e6:.1f} MB")
    print()
    _print_head([f"voice, {_threads(s['threads'])}" for s in speech])
    _print_row("first sound of a caption", speech, lambda s: _pair(s["first_sound_ms"], 0))
    _print_row("loading", speech, lambda s: f"{s['load_ms']:.0f}")
    _print_row("peak memory", speech, lambda s: f"{s['peak_memory_mb']:.0f} MB")
    if "peers" in result:
        print()
        print_peers(result["peers"])


def print_peers(peers: dict[str, Any]) -> None:
    """Print the comparison of whole captions with other captioners."""
    columns = peers["contestants"]
    print(f"Whole captions, taking turns for {peers['rounds']} rounds, one thread each")
    for column in columns:
        print(f"  {column['name']}: {column['runtime']}")
    print()
    _print_head([c["name"] for c in columns])
    _print_row("whole caption", columns, lambda c: _pair(c["caption_ms"]))
    _print_row("... to the first", columns, lambda c: _ratio(c["time_to_ours"]))
    _print_row("processor's time", columns, lambda c: _pair(c["caption_cpu_ms"]))
    _print_row("... to the first", columns, lambda c: _ratio(c["cpu_to_ours"]))
    _print_row("words", columns, lambda c: f"{c['words']:g}")
    _print_row("peak memory", columns, lambda c: f"{c['peak_memory_mb']:.0f} MB")
    _print_row("... to the first", columns, lambda c: f"x {c['memory_to_ours']:.2f}")
    _print_row("parameters", columns, lambda c: _millions(c["parameters"]))
    _print_row("models on disk", columns, lambda c: f"{c['model_bytes'] / 1e6:.1f} MB")


def _print_head(titles: Sequence[str]) -> None:
    print(" " * _LABEL_WIDTH + "".join(f"{title:>{_COLUMN_WIDTH}}" for title in titles))


def _print_row(
    label: str, columns: Sequence[dict[str, Any]], cell: Callable[[dict[str, Any]], str]
) -> None:
    print(f"{label:<{_LABEL_WIDTH}}" + "".join(f"{cell(c):>{_COLUMN_WIDTH}}" for c in columns))


def _pair(figures: dict[str, float], decimals: int = 2) -> str:
    return f"{figures['median']:.{decimals}f} ({figures['p95']:.{decimals}f})"


def _ratio(figures: dict[str, float]) -> str:
    return f"x {figures['median']:.2f} ({figures['p95']:.2f})"


def _millions(n: int | None) -> str:
    return "-" if n is None else f"{n / 1e6:.1f} million"


def _threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"
