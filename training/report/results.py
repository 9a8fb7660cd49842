"""The page of results, made from the run records and nothing else.

Same records, same bytes: a test compares the committed page with a fresh one. The run called
"ours" is the one with the best dev CIDEr; test never chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from training.errors import TrainingError
from training.metrics.bootstrap import RESAMPLES
from training.metrics.lexicon import KINDS
from training.report import markdown
from training.report.anchors import ANCHORS
from training.report.plots import (
    LEARNING_CURVES,
    TRADE_OFF,
    has_curve,
    has_trade_off,
    write_learning_curves,
    write_trade_off,
)
from training.report.record import FLOOR_NAME, HUMAN_NAME, Metrics, RunRecord, read_records

COMMAND = "seealoud-train report"

_HEAD = f"""# Results

<!-- Generated from docs/runs/*.json by `{COMMAND}`: edit neither by hand. -->
Made by `{COMMAND}` from the records in [runs/](runs/).

COCO caption evaluation (pycocoevalcap: PTB tokeniser, BLEU, METEOR 1.5, ROUGE-L, CIDEr-D), all
five references, Flickr8k's standard split, every metric times 100. ± is half the 95 % interval
over {RESAMPLES} resamples of the pictures. Every choice was made on dev; test reports.
"""

_RUN_HEADER = (
    *("run", "seed", "dev CIDEr", "BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr"),
    *("distinct words", "words", "parameters", "bundle", "wall time"),
)


def render(records: Sequence[RunRecord]) -> str:
    """Return ``docs/results.md`` as text."""
    runs, baselines = _in_order(records)
    sections = [
        _HEAD,
        _runs_section(runs, baselines),
        _differences_section(runs),
        _anchors_section(runs),
        _precision_section([*runs, *baselines]),
        _quantization_section(runs),
        _figures_section(runs),
    ]
    return "\n".join(section for section in sections if section)


def write_report(docs: Path) -> Path:
    """Write ``results.md`` and the figures from ``runs/*.json``, all below ``docs``.

    Returns:
        The path of the page.

    Raises:
        TrainingError: a record is wrong, or a file cannot be written.
    """
    records = read_records(docs / "runs")
    runs, _ = _in_order(records)
    page = docs / "results.md"
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        if any(map(has_curve, runs)):
            write_learning_curves(runs, docs / LEARNING_CURVES)
        if any(map(has_trade_off, runs)):
            write_trade_off(runs, docs / TRADE_OFF)
        page.write_text(render(records), encoding="utf-8")
    except OSError as exc:
        raise TrainingError(f"cannot write the report below {docs}: {exc}") from exc
    return page


def _in_order(records: Sequence[RunRecord]) -> tuple[list[RunRecord], list[RunRecord]]:
    """Return the runs, best dev CIDEr first, and the floor and people."""
    baselines = [r for name in (FLOOR_NAME, HUMAN_NAME) for r in records if r.name == name]
    runs = [record for record in records if record not in baselines]
    return sorted(runs, key=lambda run: (-_dev_cider(run), run.name)), baselines


def _dev_cider(record: RunRecord) -> float:
    return record.dev.cider.estimate if record.dev else -1.0


def _link(record: RunRecord) -> str:
    return f"[{record.name}](runs/{record.name}.json)"


def _runs_section(runs: Sequence[RunRecord], baselines: Sequence[RunRecord]) -> str:
    rows = [_run_row(record) for record in (*runs, *baselines)]
    notes = [f"- {_link(r)}: {r.note}" for r in (*runs, *baselines) if r.note]
    floors = [r for r in baselines if r.name == FLOOR_NAME]
    notes += [f'- The constant caption is "{r.config.get("caption")}".' for r in floors]
    return _section(
        "Runs", "Metrics without a split are of test.", _table(_RUN_HEADER, rows), notes
    )


def _run_row(record: RunRecord) -> list[str]:
    is_run = record.name not in (FLOOR_NAME, HUMAN_NAME)
    test = record.test
    return [
        _link(record),
        str(record.seed) if is_run else markdown.NOT_KNOWN,
        markdown.bounds(record.dev.cider if record.dev else None),
        *_test_cells(test),
        str(test.distinct_words) if test else markdown.NOT_KNOWN,
        markdown.number(test.mean_length_words if test else None),
        f"{record.parameters / 1e6:.2f} M" if is_run else markdown.NOT_KNOWN,
        markdown.megabytes(record.bundle_bytes),
        markdown.duration(record.wall_time_s) if is_run else markdown.NOT_KNOWN,
    ]


def _test_cells(metrics: Metrics | None) -> list[str]:
    if metrics is None:
        return [markdown.NOT_KNOWN] * 5
    return [
        markdown.bounds(metrics.bleu_1),
        markdown.bounds(metrics.bleu_4),
        markdown.number(metrics.meteor),
        markdown.bounds(metrics.rouge_l),
        markdown.bounds(metrics.cider),
    ]


def _differences_section(runs: Sequence[RunRecord]) -> str:
    """Return, for each run, those settings that are not the same in all runs."""
    flat = [_flatten(run.config) for run in runs]
    keys = sorted({key for settings in flat for key in settings} - {"name", "note", "seed"})
    differing = [key for key in keys if len({settings.get(key) for settings in flat}) > 1]
    lines = [
        f"- {run.name}: " + ", ".join(f"`{key}={s[key]}`" for key in differing if key in s)
        for run, s in zip(runs, flat, strict=True)
    ]
    return _section("Settings that differ", "", "", lines) if differing else ""


def _flatten(settings: Mapping[str, JsonValue], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{prefix}{key}."))
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _anchors_section(runs: Sequence[RunRecord]) -> str:
    ours = [
        [f"**SeeAloud, {run.name}**", *_test_cells(run.test), _size_note(run)]
        for run in runs
        if run.test
    ][:1]
    published = [
        [
            anchor.model,
            *map(
                markdown.number,
                (anchor.bleu_1, anchor.bleu_4, anchor.meteor, anchor.rouge_l, anchor.cider),
            ),
            anchor.note,
        ]
        for anchor in ANCHORS
    ]
    header = ("model", "BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "note")
    return _section("Beside published numbers", "Flickr8k test.", _table(header, ours + published))


def _size_note(run: RunRecord) -> str:
    parts = [f"{run.parameters / 1e6:.1f} M parameters"]
    if run.bundle_bytes is not None:
        parts.append(markdown.megabytes(run.bundle_bytes))
    if run.latency_ms is not None:
        parts.append(f"{run.latency_ms:.0f} ms a caption ({run.latency_machine or 'one machine'})")
    return ", ".join(parts)


def _precision_section(records: Sequence[RunRecord]) -> str:
    rows = [
        [r.name, *(markdown.tally(r.test.precision.get(kind)) for kind in KINDS)]
        for r in records
        if r.test and r.test.precision
    ]
    text = (
        "Of what the test captions mention, the part that at least one reference confirms, and "
        "in brackets the number of mentions. Word classes: `training/metrics/lexicon.py`."
    )
    return _section("Precision by kind", text, _table(("run", *KINDS), rows)) if rows else ""


def _quantization_section(runs: Sequence[RunRecord]) -> str:
    rows = [
        [
            run.name,
            markdown.bounds(run.quantization.float32.cider),
            markdown.bounds(run.quantization.int8.cider),
            markdown.change(run.quantization.cider_change),
            markdown.bounds(run.quantization.float32.bleu_4),
            markdown.bounds(run.quantization.int8.bleu_4),
        ]
        for run in runs
        if run.quantization
    ]
    header = (
        *("run", "float32 CIDEr", "int8 CIDEr", "int8 - float32, paired 95 %"),
        *("float32 BLEU-4", "int8 BLEU-4"),
    )
    return _section("float32 and int8", "", _table(header, rows)) if rows else ""


def _figures_section(runs: Sequence[RunRecord]) -> str:
    figures = []
    if any(map(has_curve, runs)):
        figures.append(f"![Dev CIDEr by epoch]({LEARNING_CURVES})")
    if any(map(has_trade_off, runs)):
        figures.append(f"![Test CIDEr against bundle size and latency]({TRADE_OFF})")
    return _section("Figures", "", "\n\n".join(figures)) if figures else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, or a sentence when there are no rows."""
    return markdown.table(header, rows) if rows else "Nothing recorded yet."


def _section(title: str, text: str, body: str, notes: Sequence[str] = ()) -> str:
    parts = [f"## {title}", text, body, "\n".join(notes)]
    return "\n\n".join(part for part in parts if part) + "\n"
