"""The sections of the page of results, each as Markdown, made from records and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from training.metrics.lexicon import KINDS
from training.report import markdown
from training.report.ablation import HEADER as ABLATION_HEADER
from training.report.ablation import ablations, partner_name
from training.report.anchors import ANCHORS
from training.report.goals import GOALS, count_met, goals_table
from training.report.order import Runs, earlier_names, hours, total_time_s
from training.report.plots import (
    EFFORT,
    LEARNING_CURVES,
    TRADE_OFF,
    has_curve,
    has_trade_off,
)
from training.report.record import FLOOR_NAME, HUMAN_NAME, Metrics, RunRecord
from training.report.settings import comparable_settings, differing_keys

_RUN_HEADER = (
    *("run", "measured", "seed", "dev CIDEr", "BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr"),
    *("distinct words", "words", "parameters", "bundle", "wall time"),
)
_N_TEST_CELLS = 5
_ABOUT_GOALS = (
    "Scores are of test; met or not is judged by the estimate. Best published: the best clean "
    "number found of a model trained on Flickr8k alone; of the size, the nearest prior art in "
    "TFLite. In brackets after a precision: how many mentions it rests on. As said: the device "
    "leaves out colours that are more likely wrong than right; all other scores are of the whole "
    "captions, and [what that costs](#right-captions-and-reliability) is measured."
)


def ships_section(runs: Runs) -> str:
    """Return what ships and how it stands beside the goals."""
    ours = runs.ours
    if ours is None:
        return section("What ships", "Nothing recorded yet.")
    link, facts = markdown.record_link(ours), ", ".join(_facts(ours))
    what = (
        f"**{link}** ships, as [models/DEFAULT](../models/DEFAULT) says: {facts}."
        if runs.is_shipped
        else f"Of what ships there is no record; {link} is the best on dev: {facts}."
    )
    cider = f" Test CIDEr **{markdown.bounds(ours.test.cider)}**." if ours.test else ""
    met = f" **{count_met(ours)} of {len(GOALS)} goals** are met."
    return section("What ships", what + cider + met, goals_table(ours), [_ABOUT_GOALS])


def anchors_section(runs: Runs) -> str:
    """Return ours between what others published and what people reach."""
    ours = [[f"**SeeAloud, {runs.ours.name}**", *_anchor_cells(runs.ours)]] if runs.ours else []
    titles = {
        FLOOR_NAME: "one caption for every picture (floor)",
        HUMAN_NAME: "people, leave-one-out",
    }
    own = [
        [titles[record.name], *_test_cells(record.test), "measured here"]
        for record in runs.baselines
    ]
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
    return section(
        "Beside published numbers",
        "Flickr8k test, COCO evaluation unless the note says otherwise.",
        markdown.table(header, ours + published + own),
    )


def _anchor_cells(run: RunRecord) -> list[str]:
    return [*_test_cells(run.test), ", ".join(_facts(run))]


def _facts(run: RunRecord) -> list[str]:
    """Return the run's size and speed, as far as they are known."""
    facts = [f"{run.parameters / 1e6:.1f} M parameters"]
    if run.bundle_bytes is not None:
        facts.append(markdown.megabytes(run.bundle_bytes))
    if run.latency_ms is not None:
        facts.append(f"{run.latency_ms:.0f} ms a caption")
    return facts


def trade_off_section(runs: Runs) -> str:
    """Return the figure of CIDEr against size and latency."""
    if not any(map(has_trade_off, runs.all)):
        return ""
    text = "Test CIDEr of the int8 bundles with its 95 % interval."
    on: dict[str, list[str]] = {}
    for run in runs.all:
        if run.latency_ms is not None:
            on.setdefault(run.latency_machine or "a machine", []).append(run.name)
    for machine, names in sorted(on.items()):
        text += f" Median time of a whole caption of {', '.join(names)}: {machine}."
    return section(
        "Quality, size and speed", text, f"![Test CIDEr against bundle size and time]({TRADE_OFF})"
    )


def runs_section(runs: Runs) -> str:
    """Return every run that is no ablation, and the baselines."""
    shown = [*runs.main, *runs.baselines]
    text = (
        "Best on dev first; metrics without a split are of test. `words` is the mean length. "
        "The name leads to the record with the whole configuration."
    )
    if runs.ablations:
        text += f" {len(runs.ablations)} more are below: [ablation](#ablation)."
    return section("Runs", text, _runs_table(runs, shown), _notes(shown))


def _runs_table(runs: Runs, shown: Sequence[RunRecord]) -> str:
    rows = [_run_row(record, runs) for record in shown]
    return markdown.table(_RUN_HEADER, rows) if rows else "Nothing recorded yet."


def _notes(records: Sequence[RunRecord]) -> list[str]:
    notes = [f"- {record.name}: {record.note}" for record in records if record.note]
    floors = [record for record in records if record.name == FLOOR_NAME]
    return notes + [f'- The constant caption is "{r.config.get("caption")}".' for r in floors]


def _run_row(record: RunRecord, runs: Runs) -> list[str]:
    is_run = record.name not in (FLOOR_NAME, HUMAN_NAME)
    test = record.test
    return [
        markdown.record_link(record),
        record.measured or markdown.NOT_KNOWN,
        str(record.seed) if is_run else markdown.NOT_KNOWN,
        markdown.bounds(record.dev.cider if record.dev else None),
        *_test_cells(test),
        str(test.distinct_words) if test else markdown.NOT_KNOWN,
        markdown.number(test.mean_length_words if test else None),
        f"{record.parameters / 1e6:.2f} M" if is_run else markdown.NOT_KNOWN,
        markdown.megabytes(record.bundle_bytes),
        _wall_time(record, runs) if is_run else markdown.NOT_KNOWN,
    ]


def _wall_time(record: RunRecord, runs: Runs) -> str:
    """Return the run's own time, and what it took with the runs before it."""
    own, earlier = markdown.duration(record.wall_time_s), earlier_names(record)
    if not earlier:
        return own
    total_s = total_time_s(record, runs.all)
    if total_s is None:
        return f"{own} (+ {', '.join(earlier)})"
    return f"{own} ({markdown.duration(total_s)} in all)"


def _test_cells(metrics: Metrics | None) -> list[str]:
    if metrics is None:
        return [markdown.NOT_KNOWN] * _N_TEST_CELLS
    return [
        markdown.bounds(metrics.bleu_1),
        markdown.bounds(metrics.bleu_4),
        markdown.number(metrics.meteor),
        markdown.bounds(metrics.rouge_l),
        markdown.bounds(metrics.cider),
    ]


def effort_section(runs: Runs) -> str:
    """Return the figure of CIDEr against the time of training."""
    if not hours(runs.all):
        return ""
    text = (
        "Training of a run and of all that it comes from, on two cores (records of one core count "
        "as they took). Numbered are the runs that were the best on dev for their time; dev chose, "
        "so dev flatters, and test tells how much of a gain was one."
    )
    return section("What more training brought", text, f"![CIDEr by hours of training]({EFFORT})")


def settings_section(runs: Runs) -> str:
    """Return, for each run that is no ablation, those settings that are not the same in all."""
    settings = comparable_settings(runs.main)
    keys = [key for key in differing_keys(settings) if key != "seed"]
    lines = [
        f"- {run.name}: " + ", ".join(f"`{key}={own[key]}`" for key in keys if key in own)
        for run, own in zip(runs.main, settings, strict=True)
    ]
    return section("Settings that differ", "", "", lines) if keys else ""


def ablation_section(runs: Runs) -> str:
    """Return what each change of one thing did."""
    rows = [ablation.row() for ablation in ablations(runs.all)]
    names = {record.name for record in runs.all}
    lost = [
        f"- {run.name}: {partner_name(run)}, from which it differs, has no record."
        for run in runs.all
        if partner_name(run) is not None and partner_name(run) not in names
    ]
    if not rows and not lost:
        return ""
    text = (
        "Each run beside the one from which it differs in one thing (`ablates` in its "
        "configuration): CIDEr of that one → of the run, and the change with its 95 % interval "
        "paired over the pictures, where both records keep the pictures' scores."
    )
    return section("Ablation", text, markdown.table(ABLATION_HEADER, rows) if rows else "", lost)


def precision_section(runs: Runs) -> str:
    """Return how much of what is said the references confirm."""
    table = _precision_table([*runs.main, *runs.baselines])
    text = (
        "Of what the test captions mention, the part that at least one reference confirms, and "
        "in brackets the number of mentions. Word classes: `training/metrics/lexicon.py`."
    )
    return section("Precision by kind", text, table) if table else ""


def _precision_table(records: Sequence[RunRecord]) -> str:
    rows = [
        [r.name, *(markdown.tally(r.test.precision.get(kind)) for kind in KINDS)]
        for r in records
        if r.test and r.test.precision
    ]
    return markdown.table(("run", *KINDS), rows) if rows else ""


def quantization_section(runs: Runs) -> str:
    """Return what int8 loses against float32, of every run that was converted."""
    rows = [
        [
            run.name,
            markdown.bounds(run.quantization.float32.cider),
            markdown.bounds(run.quantization.int8.cider),
            markdown.change(run.quantization.cider_change),
            markdown.bounds(run.quantization.float32.bleu_4),
            markdown.bounds(run.quantization.int8.bleu_4),
        ]
        for run in runs.all
        if run.quantization
    ]
    header = (
        *("run", "float32 CIDEr", "int8 CIDEr", "int8 - float32, paired 95 %"),
        *("float32 BLEU-4", "int8 BLEU-4"),
    )
    text = "Both as TFLite files through the device's own code, on test."
    return section("float32 and int8", text, markdown.table(header, rows)) if rows else ""


def curves_section(runs: Runs) -> str:
    """Return the figure of learning curves."""
    if not any(map(has_curve, runs.all)):
        return ""
    text = "CIDEr on dev after each epoch, as training measured it (own tokens, averaged weights)."
    return section("Learning curves", text, f"![Dev CIDEr by epoch]({LEARNING_CURVES})")


def in_full_section(runs: Runs) -> str:
    """Return the ablations' own rows, folded so that they do not swamp the page."""
    if not runs.ablations:
        return ""
    parts = [
        _runs_table(runs, runs.ablations),
        "\n".join(_notes(runs.ablations)),
        _precision_table(runs.ablations),
    ]
    body = "\n\n".join(part for part in parts if part)
    summary = f"<summary>All scores of {len(runs.ablations)} ablation runs</summary>"
    return section("Ablation runs in full", f"<details>\n{summary}", body, ["", "</details>"])


def section(title: str, text: str, body: str = "", notes: Sequence[str] = ()) -> str:
    """Return a section; parts that are empty leave no gap."""
    parts = [f"## {title}", text, body, "\n".join(notes).strip("\n")]
    return "\n\n".join(part for part in parts if part) + "\n"
