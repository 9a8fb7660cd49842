"""What each operator of the shipped models takes, as ``scripts/op_time.py`` measured it.

The file lies beside the records and is read as strictly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from training.report import markdown
from training.report.measured import Figures, read_measured

OP_TIME = "op-time.json"

_HEADER = ("graph", "operator", "where", "count", "ms", "share")
_DELEGATE, _RUNTIME = "XNNPACK", "**runtime**"
# XNNPACK's operators that take less are added up: the table is for finding what takes time.
_SMALLEST_SHARE = 0.02

Milliseconds = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=0)]


class OperatorTime(Figures):
    """All nodes of one operator in one graph.

    Attributes:
        operator: name in TFLite, or in XNNPACK where it runs inside the delegate.
        is_delegated: whether it runs inside the XNNPACK delegate.
        nodes: how often the operator runs in one run of the graph; XNNPACK makes fewer or more
            operators of the nodes that it takes over.
        time_ms: of all its nodes together, median over the runs.
    """

    operator: str
    is_delegated: bool
    nodes: Count
    time_ms: Milliseconds


class GraphTime(Figures):
    """One graph of the bundle.

    Attributes:
        graph: encoder, or the decoder's signature.
        nodes: of the graph in the file.
        delegated_nodes: those that XNNPACK took over.
        profiled_ms: one run with its operators measured, median.
        whole_ms: one run with nothing measured inside, median.
        whole_without_delegate_ms: the same on TFLite's own kernels.
        operators: by time, the longest first.
    """

    graph: str
    nodes: Count
    delegated_nodes: Count
    profiled_ms: Milliseconds
    whole_ms: Milliseconds
    whole_without_delegate_ms: Milliseconds
    operators: tuple[OperatorTime, ...]

    @property
    def outside_ms(self) -> float:
        """The operators outside of the delegate together."""
        return sum(o.time_ms for o in self.operators if not o.is_delegated)


class OpTime(Figures):
    """The measurement: of which bundle, where, how, and the graphs."""

    schema_version: Literal[1] = 1
    bundle: str
    machine: str
    method: str
    runs: Count
    graphs: tuple[GraphTime, ...]


def read_op_time(docs: Path) -> OpTime | None:
    """Return what was measured, or None where nothing was.

    Raises:
        TrainingError: the file is wrong; the message names it and the keys.
    """
    return read_measured(OpTime, docs / OP_TIME, "operators' times")


def op_time_section(measured: OpTime) -> str:
    """Return the section as Markdown."""
    text = (
        f"Of the bundle {measured.bundle}, medians of {measured.runs} runs on {measured.machine}. "
        f"{measured.method} XNNPACK's operators below {_SMALLEST_SHARE:.0%} of their graph are "
        "added up."
    )
    lines = [f"- {_summary(graph)}" for graph in measured.graphs]
    rows = [row for graph in measured.graphs for row in _rows(graph)]
    table = markdown.table(_HEADER, rows)
    return "\n\n".join(["## Operator time", "\n".join(lines), table, text]) + "\n"


def _summary(graph: GraphTime) -> str:
    return (
        f"**{graph.graph}**: {graph.delegated_nodes} of {graph.nodes} nodes run inside the XNNPACK "
        f"delegate; outside of it {graph.outside_ms:.3f} ms ({_share(graph.outside_ms, graph)}). "
        f"Whole {graph.whole_ms:.2f} ms; {graph.whole_without_delegate_ms:.2f} ms without the "
        "delegate."
    )


def _rows(graph: GraphTime) -> list[list[str]]:
    """Return the rows of one graph: what takes time, all of the runtime's, then the rest."""
    threshold_ms = _SMALLEST_SHARE * graph.profiled_ms
    small = [o for o in graph.operators if o.is_delegated and o.time_ms < threshold_ms]
    rows = [
        _row(graph, o.operator, _where(o.is_delegated), o.nodes, o.time_ms)
        for o in graph.operators
        if o not in small
    ]
    if small:
        nodes, time_ms = sum(o.nodes for o in small), sum(o.time_ms for o in small)
        rows.append(_row(graph, "smaller ones", _DELEGATE, nodes, time_ms))
    attributed_ms = sum(o.time_ms for o in graph.operators)
    rest_ms = max(0.0, graph.profiled_ms - attributed_ms)
    return [*rows, _row(graph, "not attributed", "", None, rest_ms)]


def _row(
    graph: GraphTime, operator: str, where: str, nodes: int | None, time_ms: float
) -> list[str]:
    count = markdown.NOT_KNOWN if nodes is None else str(nodes)
    time = markdown.number(time_ms, 3)
    return [graph.graph, operator, where, count, time, _share(time_ms, graph)]


def _where(is_delegated: bool) -> str:
    return _DELEGATE if is_delegated else _RUNTIME


def _share(time_ms: float, graph: GraphTime) -> str:
    return f"{time_ms / graph.profiled_ms:.1%}" if graph.profiled_ms else markdown.NOT_KNOWN
