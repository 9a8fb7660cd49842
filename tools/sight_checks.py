"""Checks of a bundle's sentences that no score of the training covers.

    python -m tools.sight_checks degraded  dark, blurred, tilted, noisy, wide frames
    python -m tools.sight_checks people  nobody, one, several against the captions
    python -m tools.sight_checks sheets  contact sheets of sure names to judge
    python -m tools.sight_checks verdicts  shares of right names and sides, as judged

Everything goes through the device's own code. Captions leave much out, so that precision by
captions is a lower bound; the verdicts by eye are in docs/figures/names/verdicts.tsv.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from seealoud.device.records import Frame
from seealoud.device.vision.bundle import Bundle, find_bundle, load_bundle
from seealoud.device.vision.captioner import CaptionOptions
from seealoud.device.vision.describe import open_describer
from seealoud.device.vision.thing_words import PERSON
from seealoud.training.confidence.things import ThingConfirmation
from seealoud.training.data.dataset import CaptionedPicture
from seealoud.training.data.readers import open_dataset
from seealoud.training.features import read_picture
from seealoud.training.homes import Spoken, judged, score, speak
from seealoud.training.metrics.lexicon import LEXICONS
from seealoud.training.text import words_of
from seealoud.training.train import household_pictures

VERDICTS = Path(__file__).resolve().parent.parent / "docs" / "figures" / "names" / "verdicts.tsv"
N_JUDGED = 120
_TILE_PX, _COLUMNS, _ROWS = 300, 4, 5
_CAPTION_PX = 40
_PEOPLE = frozenset(("person", "man", "woman", "child", "boy", "girl", "baby"))
_SEVERAL_WORDS = frozenset((
    "people", "men", "women", "children", "boys", "girls", "kids", "players", "skiers", "crowd",
    "couple", "group", "family", "friends", "riders", "surfers", "babies", "persons", "teams",
))  # fmt: skip

Image = npt.NDArray[np.uint8]
Change = Callable[[Image, np.random.Generator], Image]


def _clipped(image: npt.NDArray[np.float64]) -> Image:
    return np.clip(image, 0, 255).astype(np.uint8)


def noisy(image: Image, random: np.random.Generator, levels: float = 25.0) -> Image:
    """Return a picture with sensor noise of some grey levels."""
    return _clipped(image + random.normal(0.0, levels, image.shape))


def dark(image: Image, random: np.random.Generator, gain: float = 0.12) -> Image:
    """Return a picture with less light and the noise that comes with it."""
    return _clipped(image * gain + random.normal(0.0, 3.0, image.shape))


def blurred(image: Image, _: np.random.Generator, share: float = 0.012) -> Image:
    """Return a picture out of focus; the blur is a share of its width."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * image.shape[1]), np.uint8)


def tilted(image: Image, random: np.random.Generator, degrees: float = 20.0) -> Image:
    """Return the picture of a tilted camera, without black corners."""
    height, width = image.shape[:2]
    angle = degrees * (1 if random.random() < 0.5 else -1)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    turned = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(turned, np.uint8)


def wide(image: Image, _: np.random.Generator, bend: float = 0.35) -> Image:
    """Return a picture as a wide-angle lens bends it: barrel distortion."""
    height, width = image.shape[:2]
    y_hw, x_hw = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    bent_hw = 1 + bend * (x_hw**2 + y_hw**2)
    map_x = ((x_hw * bent_hw + 1) * (width - 1) / 2).astype(np.float32)
    map_y = ((y_hw * bent_hw + 1) * (height - 1) / 2).astype(np.float32)
    bent = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(bent, np.uint8)


CHANGES: dict[str, Change] = {
    "as it is": lambda image, _: image,
    "dark (light x 0.12)": dark,
    "very dark (light x 0.05)": lambda image, random: dark(image, random, 0.05),
    "blurred (1.2 % of the width)": blurred,
    "very blurred (3 %)": lambda image, random: blurred(image, random, 0.03),
    "tilted (20 degrees)": tilted,
    "noisy (25 levels)": noisy,
    "very noisy (60 levels)": lambda image, random: noisy(image, random, 60.0),
    "wide-angle": wide,
}


def degraded(bundle: Bundle, pictures: Sequence[CaptionedPicture]) -> None:
    """Print how many degraded photographs are refused, and the right names of the others."""
    describer = open_describer(bundle, CaptionOptions(threads=1))
    confirmation = ThingConfirmation(bundle.manifest.names)
    print(
        "frames\trefused by the gate or as strange\tnothing named\tright and sure\tprecision\tnames"
    )
    for name, change in CHANGES.items():
        random = np.random.default_rng(0)
        spoken, faults = [], 0
        for picture in pictures:
            image = change(read_picture(picture.path), random)
            found = describer.look(Frame.now(image, picture.name))
            faults += found.caption is None
            spoken.append(judged(picture, found, confirmation))
        scores = score(spoken)
        print(
            f"{name}\t{faults / len(pictures):.3f}\t{scores.refused:.3f}\t{scores.right_sure:.3f}"
            f"\t{scores.precision_sure:.3f}\t{scores.names_sure}",
            flush=True,
        )
    describer.close()


def captioned_people(picture: CaptionedPicture) -> str:
    """Return "nobody", "one" or "several", as most captions have it; "" where they disagree."""
    lexicon = LEXICONS["subject"]
    named = [
        bool(_PEOPLE & set(lexicon.mentions(words_of(caption)))) for caption in picture.captions
    ]
    if sum(named) <= 1:
        return "nobody"
    if sum(named) * 2 <= len(named):
        return ""
    several = [not _SEVERAL_WORDS.isdisjoint(words_of(caption)) for caption in picture.captions]
    if sum(several) * 2 > sum(named):
        return "several"
    return "one" if sum(several) <= 1 else ""


def said_people(spoken: Spoken) -> str:
    """Return how many people are mentioned: "nobody", "one", "several", or "" for no mention."""
    if spoken.says_nobody:
        return "nobody"
    if any(thing.name == PERSON and thing.is_sure and thing.is_several for thing in spoken.things):
        return "several"
    if not any(name in _PEOPLE for name in spoken.sure):
        return ""
    words = set(words_of(spoken.caption))
    return "one" if words.isdisjoint(_SEVERAL_WORDS) else "several"


def people(spoken: Sequence[Spoken]) -> None:
    """Print the mentions of people beside those of the captions."""
    counts = Counter((captioned_people(one.picture), said_people(one)) for one in spoken)
    print("captions\t" + "\t".join(("nobody", "one", "several", "nothing said")))
    for truth in ("nobody", "one", "several", ""):
        row = [counts[truth, said] for said in ("nobody", "one", "several", "")]
        print(f"{truth or 'they disagree'}\t" + "\t".join(map(str, row)))
    for said in ("nobody", "one", "several"):
        judged_ones = {truth: counts[truth, said] for truth in ("nobody", "one", "several")}
        total = sum(judged_ones.values())
        if total:
            print(f"said {said}: {judged_ones[said]} of {total} right")


def sure_names(spoken: Sequence[Spoken]) -> Iterator[tuple[CaptionedPicture, str, str]]:
    """Yield each thing that is named without "maybe" with its side, the same sample each time."""
    named = [
        (one.picture, thing.name, "" if thing.side is None else thing.side.value)
        for one in spoken
        for thing in one.things
        if thing.is_sure
    ]
    order = np.random.default_rng(0).permutation(len(named))[:N_JUDGED]
    yield from (named[number] for number in sorted(order.tolist()))


def sheets(spoken: Sequence[Spoken], out: Path) -> None:
    """Write contact sheets with names and sides, and the lines that a judge completes."""
    out.mkdir(parents=True, exist_ok=True)
    rows = list(sure_names(spoken))
    per_sheet = _COLUMNS * _ROWS
    for start in range(0, len(rows), per_sheet):
        sheet = np.full((_ROWS * (_TILE_PX + _CAPTION_PX), _COLUMNS * _TILE_PX, 3), 255, np.uint8)
        for place, (picture, name, side) in enumerate(rows[start : start + per_sheet]):
            row, column = divmod(place, _COLUMNS)
            top, left = row * (_TILE_PX + _CAPTION_PX), column * _TILE_PX
            image = read_picture(picture.path)
            scale = _TILE_PX / max(image.shape[:2])
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
            label = f"{start + place}: {name} {side}"
            at = (left + 4, top + _TILE_PX + 26)
            cv2.putText(sheet, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (200, 0, 0), 2)
        cv2.imwrite(str(out / f"sheet-{start // per_sheet}.png"), sheet[..., ::-1])
    with (out / "to-judge.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("file", "name", "side", "name_right", "side_right"))
        writer.writerows((picture.name, name, side, "", "") for picture, name, side in rows)
    print(f"wrote {out}")


def verdicts(path: Path) -> None:
    """Print the shares of names and of sides that were judged right by eye."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for column, of in (("name_right", "names"), ("side_right", "sides")):
        counts = Counter(row[column] for row in rows if row[column])
        total = sum(counts.values())
        print(f"{of}: {counts['yes']} of {total} right ({counts['yes'] / total:.3f})", dict(counts))


def main() -> None:
    """Run one of the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    checks = ("degraded", "people", "sheets", "verdicts")
    parser.add_argument("check", choices=checks)
    parser.add_argument("--bundle", help="name or folder; default: the one that ships")
    parser.add_argument("--data", type=Path, default=Path("../shared/flickr8k"))
    parser.add_argument("--out", type=Path, default=Path("sheets"), help="folder for the sheets")
    options = parser.parse_args()
    if options.check == "verdicts":
        verdicts(VERDICTS)
        return
    bundle = load_bundle(find_bundle(options.bundle))
    dataset = open_dataset(options.data)
    household = household_pictures(dataset)
    if options.check == "degraded":
        degraded(bundle, household)
    elif options.check == "people":
        people(list(speak(bundle, household)))
    else:
        sheets(list(speak(bundle, household)), options.out)


if __name__ == "__main__":
    main()
