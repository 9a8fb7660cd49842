"""Writes docs/op-time.json: what each operator of a bundle's models takes on this machine.

    .venv/bin/python scripts/op_time.py [--bundle NAME|PATH] [--runs N] [--json FILE]

Operators are timed by LiteRT's own profiler (``litert_profiler``), whole graphs without it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from bench_report import machine_facts
from litert_profiler import Profile, ProfiledModel

from device.errors import SeeAloudError
from device.vision.bundle import Bundle, find_bundle, load_bundle

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_WARM_UPS = 5
_US_PER_MS = 1000
_DECIMALS = 4
_METHOD = (
    "Operators: LiteRT's own profiler in its CompiledModel, one thread, inputs of zeros; it cuts "
    "off to whole microseconds, so operators below one count as nothing and are part of what is "
    "not attributed, together with the passage from one operator to the next. Whole: the "
    "Interpreter, as on the device, through its signature runner, nothing measured inside."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the file, and return the exit code."""
    options = _parse(arguments)
    try:
        result = measure(load_bundle(find_bundle(options.bundle)), options.runs)
    except (SeeAloudError, RuntimeError) as exc:
        print(f"op_time: {exc}", file=sys.stderr)
        return getattr(exc, "exit_code", 1)
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.json}")
    return 0


def measure(bundle: Bundle, runs: int) -> dict[str, Any]:
    """Return all figures as ``training.report.op_time.OpTime`` reads them."""
    machine = machine_facts()
    graphs = [
        figures for path in (bundle.encoder, bundle.decoder) for figures in _model(path, runs)
    ]
    return {
        "schema_version": 1,
        "bundle": bundle.name,
        "machine": (
            f"one thread of {machine['processor']}, {machine['cores']} cores, load "
            f"{machine['load_before']:.1f} before, {machine['runtime']}"
        ),
        "method": _METHOD,
        "runs": runs,
        "graphs": graphs,
    }


def _model(path: Path, runs: int) -> list[dict[str, Any]]:
    """Return the figures of each signature of a model."""
    model, nodes = ProfiledModel(path), count_nodes(path)
    return [
        {
            "graph": f"{path.stem}: {name}",
            "nodes": nodes[name],
            **operator_figures(_repeated(model.runner(index), runs), nodes[name]),
            "whole_ms": _whole_ms(path, name, runs, OpResolverType.AUTO),
            "whole_without_delegate_ms": _whole_ms(
                path, name, runs, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        }
        for index, name in enumerate(model.signatures())
    ]


def _repeated(run: Callable[[], Profile], runs: int) -> list[Profile]:
    for _ in range(_WARM_UPS):
        run()
    return [run() for _ in range(runs)]


def operator_figures(profiles: Sequence[Profile], nodes: int) -> dict[str, Any]:
    """Return medians over the runs of each operator's time, the longest first.

    Args:
        profiles: of the same graph, at least one.
        nodes: of the graph in the file; those that the runtime does not run, the delegate does.
    """
    counts = Counter((e.operator, e.is_delegated) for e in profiles[0].events)
    sums_us: defaultdict[tuple[str, bool], list[int]] = defaultdict(list)
    for profile in profiles:
        of_run = Counter[tuple[str, bool]]()
        for event in profile.events:
            of_run[event.operator, event.is_delegated] += event.elapsed_us
        for key in counts:
            sums_us[key].append(of_run[key])
    operators = [
        {
            "operator": operator,
            "is_delegated": is_delegated,
            "nodes": count,
            "time_ms": _median_ms(sums_us[operator, is_delegated]),
        }
        for (operator, is_delegated), count in counts.items()
    ]
    outside = sum(count for (_, is_delegated), count in counts.items() if not is_delegated)
    return {
        "delegated_nodes": nodes - outside,
        "profiled_ms": _median_ms([profile.whole_us for profile in profiles]),
        "operators": sorted(operators, key=lambda o: (-o["time_ms"], o["operator"])),
    }


def _median_ms(times_us: Sequence[float]) -> float:
    return round(statistics.median(times_us) / _US_PER_MS, _DECIMALS)


def _whole_ms(path: Path, signature: str, runs: int, resolver: OpResolverType) -> float:
    """Return the median of a whole run in the Interpreter, inputs of zeros."""
    interpreter = Interpreter(
        model_path=str(path), num_threads=1, experimental_op_resolver_type=resolver
    )
    runner = interpreter.get_signature_runner(signature)
    details = runner.get_input_details()
    inputs = {name: np.zeros(d["shape"], d["dtype"]) for name, d in details.items()}
    times_us = []
    for _ in range(_WARM_UPS + runs):
        began_s = time.perf_counter()
        runner(**inputs)
        times_us.append((time.perf_counter() - began_s) * 1e6)
    return _median_ms(times_us[_WARM_UPS:])


def count_nodes(path: Path) -> dict[str, int]:
    """Return how many operators each signature's graph has in the file."""
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    signatures = (model.SignatureDefs(i) for i in range(model.SignatureDefsLength()))
    return {
        s.SignatureKey().decode(): model.Subgraphs(s.SubgraphIndex()).OperatorsLength()
        for s in signatures
    }


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/op_time.py", description="Times each operator of a bundle's models."
    )
    parser.add_argument("--bundle", metavar="NAME|PATH", help="default: the one that ships")
    parser.add_argument("--runs", type=int, default=200, help="runs of each graph [200]")
    parser.add_argument(
        "--json", type=Path, default=_DOCS / "op-time.json", metavar="FILE", help="[docs/]"
    )
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
