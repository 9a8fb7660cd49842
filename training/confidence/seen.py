"""Axes of the encoder's features of training pictures, and a logistic regression per class.

Both are fitted on train alone, so that dev can be used to evaluate them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seealoud.device.vision.evidence import ConfidenceArrays
from seealoud.device.vision.vocabulary import Vocabulary
from seealoud.training.confidence.logistic import fit_logistic
from seealoud.training.confidence.thing_lexicon import confidence_lexicons
from seealoud.training.errors import TrainingError

# Chosen on dev: 32 axes gave an area of 0.740 under the ROC curve, 64 0.741, 128 0.735, 256 0.740.
N_AXES = 64
# Familiar directions: with 8 to 32 every odd picture is refused, at the same share of photographs;
# with more of them, more strongly blurred photographs are refused.
N_FAMILIAR = 16
# Of 10 to 300 none was better on dev by more than 0.002.
RIDGE = 30.0
# For rarer classes only the share of pictures is stored.
FEWEST_PICTURES = 20

Tokens = Sequence[str]
Floats = npt.NDArray[np.float32]


def classes_in(vocabulary: Vocabulary) -> dict[str, str]:
    """Return the words of each class of the lexicon that a vocabulary can say, by "kind/name"."""
    found: dict[str, list[str]] = {}
    for kind, lexicon in confidence_lexicons().items():
        for word in vocabulary.words:
            if word in lexicon.class_of:
                found.setdefault(f"{kind}/{lexicon.class_of[word]}", []).append(word)
    return {name: " ".join(words) for name, words in sorted(found.items())}


def fit_seen(
    classes: Sequence[str], pooled_nd: Floats, references: Sequence[Sequence[Tokens]]
) -> ConfidenceArrays:
    """Return axes and class regressions of training pictures.

    Args:
        classes: "kind/name".
        pooled_nd: float32 [pictures, channels].
        references: tokens of each reference of each picture, in the same order.

    Raises:
        TrainingError: fewer than two pictures.
    """
    if len(pooled_nd) < 2:
        raise TrainingError(f"cannot learn what pictures look like from {len(pooled_nd)}")
    mean_d = pooled_nd.mean(axis=0)
    axes_dk = _axes(pooled_nd - mean_d, N_AXES)
    along_nk = (pooled_nd - mean_d) @ axes_dk
    weights = np.zeros((len(classes), along_nk.shape[1]), np.float32)
    bias = np.zeros(len(classes), np.float32)
    for row, confirmed_n in enumerate(_confirmed(classes, references)):
        weights[row], bias[row] = _class(along_nk, confirmed_n)
    familiar_da = _axes(np.sqrt(np.maximum(pooled_nd, 0)), N_FAMILIAR)
    return ConfidenceArrays(mean_d.astype(np.float32), axes_dk, weights, bias, familiar_da)


def _axes(points_nd: Floats, n_axes: int) -> Floats:
    """Return the directions [d, axes] of largest spread of points, from the origin.

    As they are stored, so that everything after is fitted to what ships.
    """
    _, _, axes_kd = np.linalg.svd(points_nd, full_matrices=False)
    return np.asarray(axes_kd[:n_axes].T.astype(np.float16), dtype=np.float32)


def _class(along_nk: Floats, confirmed_n: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    n, n_confirmed = len(confirmed_n), int(confirmed_n.sum())
    if not FEWEST_PICTURES <= n_confirmed <= n - FEWEST_PICTURES:
        share = (n_confirmed + 0.5) / (n + 1)
        return np.zeros(along_nk.shape[1], np.float32), float(np.log(share / (1 - share)))
    found = fit_logistic(along_nk, confirmed_n, RIDGE)
    return found.weights.astype(np.float32), found.bias


def _confirmed(
    classes: Sequence[str], references: Sequence[Sequence[Tokens]]
) -> list[npt.NDArray[np.bool_]]:
    """Return for each class whether a picture's references confirm it, bool [pictures]."""
    lexicons = confidence_lexicons()
    seen = {
        kind: [lexicon.mentions_of_any(sentences) for sentences in references]
        for kind, lexicon in lexicons.items()
    }
    found = []
    for name in classes:
        kind, _, mentioned = name.partition("/")
        confirms = lexicons[kind].confirms
        found.append(np.array([confirms(mentioned, of_picture) for of_picture in seen[kind]]))
    return found
