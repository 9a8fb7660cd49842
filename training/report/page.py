"""``docs/results.md`` and its figure of reliability curves, from the records below ``docs``.

The same records give the same bytes: a test compares the committed page with a new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seealoud.device.vision.sentences import Hedge, caption_sentence
from seealoud.training.errors import TrainingError
from seealoud.training.metrics.bootstrap import RESAMPLES
from seealoud.training.records.confidence import ConfidenceQuality, Quality, ReliabilityBin
from seealoud.training.records.homes import Homes, read_homes
from seealoud.training.records.run import FLOOR_NAME, HUMAN_NAME, RunRecord, read_records
from seealoud.training.report.readme import write_readme_rows
from seealoud.training.report.scores import (
    NOT_MEASURED,
    PUBLISHED,
    bounds,
    megabytes,
    number,
    percent,
    score_rows,
)
from seealoud.training.run_pictures import save_figure

COMMAND = "seealoud-train report"

# Right ones and wrong ones.
SHOWN = ("two-dogs", "camera", "boats", "grace-hopper", "farmhouse", "rocket")
_PHOTO = re.compile(
    r'^\| (?P<picture><img src="figures/photos/(?P<name>[a-z-]+)\.jpg" .*?>) '
    r"\| .+? \| (?P<says>.+?) \| (?P<right>.+?) \|$",
    re.MULTILINE,
)
_SHIPPED = Path("models") / "DEFAULT"  # beside docs/

RELIABILITY = "figures/reliability.svg"  # below docs/
_FLICKR_COLOUR, _HOME_COLOUR = "#1f77b4", "#d62728"


def page_of(docs: Path) -> str:
    """Return ``results.md`` as text, of everything below ``docs`` that was measured.

    Raises:
        TrainingError: a record or a file of figures is wrong.
    """
    return render(
        read_records(docs / "runs"), shipped_name(docs), read_homes(docs), read_photos(docs)
    )


def render(
    records: Sequence[RunRecord],
    shipped: str | None = None,
    homes: Homes | None = None,
    photos: Sequence[Mapping[str, str]] = (),
) -> str:
    """Return the page as text.

    Args:
        records: records of runs and baselines, in any order.
        shipped: name of the run that ships.
        homes: figures of ordinary photographs; left out unless they are of the bundle that ships.
        photos: the result of ``read_photos``.
    """
    by_name = {record.name: record for record in records}
    run = by_name.get(shipped or "")
    if run is None or homes is None or homes.bundle != run.name:
        homes = None  # figures of another bundle do not belong beside this one's
    confidence = run.reliability.confidence if run and run.reliability else None
    return _template().render(
        command=COMMAND,
        bundle=shipped,
        run=run,
        homes=homes,
        photos=photos,
        rows=score_rows(run, homes) if run else [],
        human=by_name.get(HUMAN_NAME),
        floor=by_name.get(FLOOR_NAME),
        published=PUBLISHED,
        resamples=RESAMPLES,
        confidence=confidence,
        odd=_odd(confidence.refusals.odd) if confidence else "",
        figure=RELIABILITY,
    )


def write_report(docs: Path) -> Path:
    """Write ``results.md``, its figure and README's generated rows; return the page's path.

    Raises:
        TrainingError: a record is wrong, or a file cannot be written.
    """
    page = docs / "results.md"
    text, shipped = page_of(docs), shipped_name(docs)
    run = next((one for one in read_records(docs / "runs") if one.name == shipped), None)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        if run is not None and run.reliability and run.reliability.confidence:
            write_reliability_plot(run.name, run.reliability.confidence, docs / RELIABILITY)
        page.write_text(text, encoding="utf-8")
        write_readme_rows(docs, read_photos(docs))
    except OSError as exc:
        raise TrainingError(f"cannot write the report below {docs}: {exc}") from exc
    return page


def shipped_name(docs: Path) -> str | None:
    """Return the name of the run that ships with the project of this ``docs``, if one does.

    Raises:
        TrainingError: the file that names it cannot be read.
    """
    path = docs.parent / _SHIPPED
    try:
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None
    except (OSError, UnicodeDecodeError) as exc:
        raise TrainingError(f"cannot read which run ships from {path}: {exc}") from exc


def read_photos(docs: Path) -> list[dict[str, str]]:
    """Return the photographs of ``photos.md`` that the page shows; none where there is no page.

    Raises:
        TrainingError: the page cannot be read.
    """
    path = docs / "photos.md"
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as exc:
        raise TrainingError(f"cannot read the photographs {path}: {exc}") from exc
    found = {row["name"]: row.groupdict() for row in _PHOTO.finditer(text)}
    return [found[name] for name in SHOWN if name in found]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {
        "bounds": bounds,
        "link": lambda record: f"[{record.name}](runs/{record.name}.json)",
        "megabytes": megabytes,
        "number": number,
        "percent": percent,
        "sentence": lambda hedge: caption_sentence("a dog runs", Hedge(hedge)),
        "wrong_names": _wrong_names,
    }
    return environment.get_template("results.md.jinja")


def _wrong_names(names: Mapping[str, tuple[int, int]]) -> str:
    """Return the names that were most often wrong, with how often of how many times."""
    found = ", ".join(f"{name} {wrong} of {said}" for name, (wrong, said) in names.items())
    return found or NOT_MEASURED


def _odd(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {percent(share)}" for name, share in shares.items())


def write_reliability_plot(name: str, found: ConfidenceQuality, path: Path) -> None:
    """Write the curves of captions and, where there are any, of names; Wilson's 95 % intervals.

    Args:
        name: name of the bundle.
        found: quality of its probabilities.
        path: PNG or SVG.
    """
    panels: list[tuple[str, str, Quality | None, Quality | None]] = [
        ("captions", "Flickr8k test", found.test, found.household)
    ]
    if found.names:
        of_names = found.names.get("dev"), found.names.get("household")
        panels.append(("names of things, cross-fitted", "Flickr8k dev", *of_names))
    figure = Figure(figsize=(1.0 + 4.5 * len(panels), 5.0), layout="constrained")
    figure.suptitle(name)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, flickr_title, flickr, home) in zip(grid, panels, strict=True):
        axes.set(title=title, xlabel="predicted probability", ylabel="share that is right")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.plot((0, 1), (0, 1), "--", color="#7f7f7f", label="true probabilities")
        _draw(axes, flickr, _FLICKR_COLOUR, flickr_title)
        _draw(axes, home, _HOME_COLOUR, "ordinary photographs")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
    save_figure(figure, path)


def _draw(axes: Axes, found: Quality | None, colour: str, label: str) -> None:
    if found is None:
        return
    bins: Sequence[ReliabilityBin] = found.bins
    below = [max(0.0, b.right - b.low) for b in bins]
    above = [max(0.0, b.high - b.right) for b in bins]
    axes.errorbar(
        [b.predicted for b in bins],
        [b.right for b in bins],
        yerr=[below, above],
        fmt="o-",
        color=colour,
        capsize=3,
        label=f"{label}, 95 % interval",
    )
