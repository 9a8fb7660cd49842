"""A contestant of ``scripts/benchmark --peers``: how this project's seed captioned.

The Keras tutorials' way: InceptionV3's pooled vector by ``predict``, then the merge captioner
(Tanti, Gatt and Camilleri 2018, arXiv 1703.09137) by ``predict`` over the padded sentence again for
each word, greedily. The weights are random: only time and memory are meaningful. Its picture is
already scaled and normalised, which is in its favour.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tools.peer_worker import serve, take_stdout, times_ms

_SIZE_PX = 299
_CHANNELS = 2048
_WIDTH = 256
_VOCABULARY = 2540
_MAX_LENGTH = 17
_N_WORDS = 12
_START = 1
_PAD = 0
_SEED = 1
_BYTES_PER_WEIGHT = 4
# The first prediction traces the graph, the second finds the caches warm.
_WARM_UPS = 2


def main() -> None:
    """Build, warm up and serve."""
    out = take_stdout()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(_SEED)
    encoder = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg")
    decoder = _merge_captioner()
    image_nhwc = np.random.default_rng(_SEED).uniform(-1, 1, (1, _SIZE_PX, _SIZE_PX, 3))

    def caption() -> int:
        return _n_words(encoder, decoder, image_nhwc.astype(np.float32))

    n_words = [caption() for _ in range(_WARM_UPS)][-1]
    n_weights = encoder.count_params() + decoder.count_params()
    facts = {
        "runtime": f"float32, greedy, tensorflow {tf.__version__}, keras {keras.__version__}",
        "words": n_words,
        "parameters": n_weights,
        "model_bytes": n_weights * _BYTES_PER_WEIGHT,
    }
    serve(lambda: [times_ms(caption)], facts, out)


def _merge_captioner() -> keras.Model:
    """Return the tutorials' model: picture [1, 2048] and word ids [1, 17] to probabilities."""
    layers = keras.layers
    picture = keras.Input((_CHANNELS,))
    words = keras.Input((_MAX_LENGTH,))
    seen = layers.Dense(_WIDTH, activation="relu")(layers.Dropout(0.5)(picture))
    embedded = layers.Embedding(_VOCABULARY, _WIDTH, mask_zero=True)(words)
    said = layers.LSTM(_WIDTH)(layers.Dropout(0.5)(embedded))
    merged = layers.Dense(_WIDTH, activation="relu")(layers.add([seen, said]))
    return keras.Model([picture, words], layers.Dense(_VOCABULARY, activation="softmax")(merged))


def _n_words(
    encoder: keras.Model, decoder: keras.Model, image_nhwc: npt.NDArray[np.float32]
) -> int:
    """Caption greedily, to the last of the words that every contestant says; return how many."""
    picture_nc = encoder.predict(image_nhwc, verbose=0)
    ids = [_START]
    for _ in range(_N_WORDS):
        padded = keras.utils.pad_sequences([ids], maxlen=_MAX_LENGTH, value=_PAD)
        probabilities_v = decoder.predict([picture_nc, padded], verbose=0)[0]
        # Random weights may well choose the padding, of which the mask would make a shorter one.
        ids.append(1 + int(np.argmax(probabilities_v[1:])))
    return len(ids) - 1


if __name__ == "__main__":
    main()
