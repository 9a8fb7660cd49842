"""Whether the alert rules of the settings can fire with a bundle, and do."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from device.doctor.finding import Finding, Level
from device.english import split_words
from device.narrator.rules import KeywordRule
from device.narrator.settings import NarrationRule
from device.settings.schema import Settings
from device.vision.hypernyms import HYPERNYMS
from device.vision.manifest import SaidSpec

_MOST_NAMED = 5
# A word of one caption in a thousand may be a mistake of the captioner.
MOST_TIMES_RARE = 1
_TIMES = ("none", "1")


def check_rules(settings: Settings) -> Finding:
    """Return whether every rule of the narration can fire with this bundle, and does at times.

    Raises:
        BundleError: there is no bundle whose words could be read.
    """
    from device.vision.bundle import find_bundle, load_bundle
    from device.vision.thing_finder import thing_names
    from device.vision.vocabulary import SPECIALS

    bundle = load_bundle(find_bundle(settings.captioner.bundle))
    return judge_rules(
        settings.narration.rules,
        bundle.vocabulary.words[len(SPECIALS) :],
        bundle.name,
        bundle.manifest.said,
        thing_names(bundle.manifest),
    )


def judge_rules(
    rules: Sequence[NarrationRule],
    words: Sequence[str],
    bundle: str,
    said: SaidSpec | None = None,
    names: Sequence[str] = (),
) -> Finding:
    """Return whether every rule waits for words that the bundle says, and not only hardly ever.

    Args:
        rules: of the settings.
        words: all that the captioner can say.
        bundle: its name.
        said: what it said of photographs; None if nobody has counted.
        names: of things that it names beside captions.
    """
    if not rules:
        return Finding(
            "Rules",
            Level.NOTE,
            "none; with rules in the settings, the device alerts you when something appears",
        )
    known = split_words(" ".join((*words, *names)))
    # A rule that is not in all words together is in no caption.
    dead = [rule for rule in rules if not KeywordRule(rule).is_in(known)]
    rare = {}
    if said is not None:
        times = {rule: KeywordRule(rule).most_times(said.words, names) for rule in rules}
        rare = {x: round(n) for x, n in times.items() if n <= MOST_TIMES_RARE and x not in dead}
    if not (dead or rare):
        noun = "rule looks" if len(rules) == 1 else "rules look"
        return Finding("Rules", Level.OK, f"{len(rules)} {noun} for words that {bundle} says")
    text = "; ".join(
        (
            *(f"the rule {rule.name!r} never fires: {bundle} does not know "
              f"{_listed(unknown_words(rule, known))}" for rule in dead),
            *(f"the rule {rule.name!r} hardly ever fires: {bundle} said "
              f"{_listed(rule.words)} in {_TIMES[n]} of {said.pictures} photographs"
              for rule, n in rare.items() if said is not None),
        )
    )  # fmt: skip
    fixes = [_fix(dead, known)] if dead else []
    if rare:
        fixes.append(f"do not rely on it; broader words fire more often: {', '.join(HYPERNYMS)}")
    return Finding("Rules", Level.WARNING, text, "; ".join(fixes))


def unknown_words(rule: NarrationRule, known: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a rule that are not known, nor any of their synonyms.

    Args:
        rule: of the settings.
        known: all words that there are, as ``split_words`` returns them.
    """
    waited_for = dict.fromkeys(
        word for phrase in rule.words for word in phrase.replace("-", " ").split()
    )
    return tuple(word for word in waited_for if not _with_words(rule, word).is_in(known))


def _with_words(rule: NarrationRule, *words: str) -> KeywordRule:
    return KeywordRule(rule.model_copy(update={"words": words}))


def _fix(dead: Sequence[NarrationRule], known: Sequence[str]) -> str:
    unknown = dict.fromkeys(word for rule in dead for word in unknown_words(rule, known))
    alike = dict.fromkeys(
        found for word in unknown for found in get_close_matches(word.rstrip("*"), known, n=1)
    )
    instead = f", perhaps {_listed(tuple(alike))}" if alike else ""
    return (
        f"in [[narration.rules]] write words from the bundle's vocabulary.txt{instead}, "
        "or add such words as synonyms"
    )


def _listed(words: Sequence[str]) -> str:
    named = ", ".join(map(repr, words[:_MOST_NAMED]))
    left = len(words) - _MOST_NAMED
    return f"{named} and {left} more" if left > 0 else named
