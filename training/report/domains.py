"""The same numbers on Flickr8k and on ordinary photographs, and which data each of them saw."""

from __future__ import annotations

from training.report import markdown
from training.report.chain import chain_of
from training.report.homes import Homes, percent
from training.report.order import Runs, earlier_names
from training.report.record import RunRecord
from training.report.reliability_confidence import ConfidenceQuality, Quality
from training.report.reliability_plot import NAME_RELIABILITY
from training.report.sections import section

_HEADER = ("what is measured", "Flickr8k", "ordinary photographs")
_DATA = ("data", "what it taught or decided")
_MAIN = "Flickr8k train"
_DECIMALS = 3


def domains_section(runs: Runs, homes: Homes | None) -> str:
    """Return the section; "" where nothing was measured on ordinary photographs."""
    run = runs.ours
    found = run.reliability.confidence if run and run.reliability else None
    if run is None or (homes is None and (found is None or found.household is None)):
        return ""
    rows = [
        _cider_row(run, homes),
        *(_confidence_rows(found) if found else ()),
        *(_name_rows(found.names) if found and found.names else ()),
    ]
    body = [markdown.table(_HEADER, rows), markdown.table(_DATA, _data_rows(run, runs))]
    if found is not None and found.names:
        body += [
            _names_text(found.names),
            f"![Share of confirmed names by predicted probability]({NAME_RELIABILITY})",
        ]
    text = (
        f"{run.name} on Flickr8k's 1000 test photographs and on those of `household_dev`. In "
        "brackets: the calibration error that true probabilities would show with so few pictures."
    )
    return section("By domain", text, "\n\n".join(body))


def _cider_row(run: RunRecord, homes: Homes | None) -> list[str]:
    flickr = markdown.bounds(run.test.cider if run.test else None)
    # Figures of another bundle do not belong beside this one's.
    ours = homes is not None and homes.bundle == run.name
    at_home = markdown.number(homes.all.cider) if homes and ours else markdown.NOT_KNOWN
    return ["CIDEr of the caption alone", f"{flickr} (test)", at_home]


def _confidence_rows(found: ConfidenceQuality) -> list[list[str]]:
    home = found.household
    return [
        [
            "captions as said with nothing wrong in them",
            f"{percent(found.test.right)} (test)",
            percent(home.right) if home else markdown.NOT_KNOWN,
        ],
        [
            "calibration error of captions",
            f"{_error(found.test)} (test)",
            _error(home) if home else markdown.NOT_KNOWN,
        ],
        [
            "refused as unlike anything seen in training",
            f"{percent(found.refusals.test)} (test)",
            markdown.NOT_KNOWN
            if found.refusals.household is None
            else percent(found.refusals.household),
        ],
    ]


def _name_rows(names: dict[str, Quality]) -> list[list[str]]:
    dev, home = names.get("dev"), names.get("household")
    return [
        [
            "calibration error of names",
            f"{_error(dev)} (dev, cross-fitted)" if dev else markdown.NOT_KNOWN,
            f"{_error(home)} (cross-fitted)" if home else markdown.NOT_KNOWN,
        ]
    ]


def _error(found: Quality) -> str:
    error = markdown.number(found.ece, _DECIMALS)
    return f"{error} ({markdown.number(found.ece_by_chance, _DECIMALS)})"


def _data_rows(run: RunRecord, runs: Runs) -> list[list[str]]:
    trained_on = ", ".join((_MAIN, *extra_names(run, runs)))
    return [
        [trained_on, "the captioner's weights, and what each class of words looks like"],
        ["Flickr8k dev", "the best epoch, the search, weights and limits of captions and names"],
        [
            "household_dev",
            "weights and limits of captions and names, beside Flickr8k's dev; no model was trained "
            "on it, but its column flatters",
        ],
        ["Flickr8k test", "nothing: it only reports"],
        ["COCO and ImageNet", "the detector and the first weights of the encoder, made by others"],
    ]


def extra_names(run: RunRecord, runs: Runs) -> list[str]:
    """Return the data sets beside Flickr8k that a run, or one that it comes from, learned from."""
    by_name = {other.name: other for other in runs.all}
    # A run without a record is passed over: what it learned from, its successors mostly state too.
    known = chain_of(run, lambda one: [by_name[n] for n in earlier_names(one) if n in by_name])
    names = [
        str(extra["name"])
        for one in known or ()
        for extra in _extra_data(one)
        if isinstance(extra, dict)
    ]
    return list(dict.fromkeys(names))


def _extra_data(run: RunRecord) -> list[object]:
    found = run.config.get("extra_data")
    return list(found) if isinstance(found, list) else []


def _names_text(names: dict[str, Quality]) -> str:
    parts = []
    for domain, title in (("dev", "Flickr8k's dev"), ("household", "household_dev")):
        if found := names.get(domain):
            last = found.bins[-1]
            parts.append(
                f"of the {last.n} likeliest names on {title} {percent(last.right)} are confirmed "
                f"(predicted {percent(last.predicted)})"
            )
    return (
        "Names of things: predicted probability beside the share that a caption confirms, each "
        "name judged by weights that never saw its photograph; captions leave things out, so the "
        "true share is higher: " + "; ".join(parts) + "."
    )
