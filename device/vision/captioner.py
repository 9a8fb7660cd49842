"""The captioner: one frame in, one caption out, in two stages, each timed.

``encode`` returns features, ``decode`` turns them into words, and ``caption`` does both. Narration
encodes every changed frame and decodes only what is new.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

import numpy as np
import numpy.typing as npt

from seealoud.device.errors import BundleError, ConfigError, InferenceError
from seealoud.device.records import Caption, Frame, Hypothesis, Timings
from seealoud.device.vision.beam_search import SearchOptions, Sequence, log_probability, search_rows
from seealoud.device.vision.bundle import LARGEST_DIFFERENCE, N_PATTERNS, Bundle, pattern
from seealoud.device.vision.manifest import ENCODER
from seealoud.device.vision.preprocess import preprocess
from seealoud.device.vision.runtime import Decoder, Encoder, Features

_MS = 1000.0


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """How to caption; None means the value with which the bundle was measured.

    Attributes:
        beam_width: hypotheses kept while searching, 1..the bundle's own width.
        length_penalty: 0 ranks by plain probability, more favours longer captions; 0..2.
        n_best: maximum number of hypotheses in a caption, >= 1.
        threads: number of encoder threads; None means one per core.
    """

    beam_width: int | None = None
    length_penalty: float | None = None
    n_best: int = 3
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.n_best < 1:
            raise ConfigError(f"n-best {self.n_best}: must be at least 1")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads {self.threads}: must be at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """The encoder's output for one frame.

    Attributes:
        frame_source: the frame's source.
        captured_at: aware UTC time of the frame.
        captured_s: the same by the daemon's clock, monotonic seconds.
        features_nd: float32 [cells, channels], the decoder's input.
        pooled_d: float32 [channels], their mean over the cells: similar for similar scenes.
        preprocess_ms: wall time of cropping and resizing.
        encoder_ms: wall time of the encoder.
        encoder: SHA-256 of the encoder's model; features of different encoders do not compare.
    """

    frame_source: str
    captured_at: datetime
    captured_s: float
    features_nd: Features
    pooled_d: npt.NDArray[np.float32]
    preprocess_ms: float
    encoder_ms: float
    encoder: str = ""


class Captioner:
    """Captions frames with one bundle; must not be shared between threads.

    Raises:
        BundleError: the runtime rejects the models, they do not match the manifest, or the
            self-test fails.
        ConfigError: the options are out of the bundle's range.
    """

    def __init__(self, bundle: Bundle, options: CaptionOptions | None = None) -> None:
        self._bundle = bundle
        self._options = options or CaptionOptions()
        self._is_closed = False
        spec = bundle.manifest.input
        self._encoder = Encoder(
            bundle.encoder, mean=spec.mean, scale=spec.scale, threads=self._options.threads
        )
        self._decoder = Decoder(bundle.decoder)
        self._check_shapes()
        self._search = self._search_options()
        self._self_test()

    def __enter__(self) -> Captioner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def caption(self, frame: Frame) -> Caption:
        """Return what the frame shows.

        Raises:
            InferenceError: the runtime failed, or the captioner is closed.
        """
        return self.decode(self.encode(frame))

    def encode(self, frame: Frame) -> Encoded:
        """Return the encoder's output for the frame.

        Raises:
            InferenceError: the runtime failed, or the captioner is closed.
        """
        self._check_open()
        began = time.perf_counter()
        square_hwc = preprocess(frame.image_hwc, self._encoder.size_px)
        prepared = time.perf_counter()
        features_nd = self._encoder.encode(
            square_hwc, mirrored=self._bundle.manifest.input.mirrored
        )
        pooled_d = features_nd.mean(axis=0)
        encoded = time.perf_counter()
        return Encoded(
            frame_source=frame.source,
            captured_at=frame.captured_at,
            captured_s=frame.captured_s,
            features_nd=features_nd,
            pooled_d=pooled_d,
            preprocess_ms=(prepared - began) * _MS,
            encoder_ms=(encoded - prepared) * _MS,
            encoder=self._bundle.manifest.files[ENCODER].sha256,
        )

    def decode(self, encoded: Encoded) -> Caption:
        """Return the words for the encoder's output; the same words each time.

        Raises:
            InferenceError: the runtime failed, the captioner is closed, or the output is from
                another bundle.
        """
        self._check_open()
        began = time.perf_counter()
        self._decoder.prepare(encoded.features_nd)
        found = search_rows(self._decoder.advance, self._search)[0]
        decoder_ms = (time.perf_counter() - began) * _MS
        return Caption(
            frame_source=encoded.frame_source,
            captured_at=encoded.captured_at,
            n_best=tuple(self._hypothesis(s) for s in found[: self._options.n_best]),
            timings=Timings(encoded.preprocess_ms, encoded.encoder_ms, decoder_ms),
            bundle=self._bundle.name,
        )

    def close(self) -> None:
        """Free the models; may be called again."""
        self._is_closed = True
        self.__dict__.pop("_encoder", None)
        self.__dict__.pop("_decoder", None)

    def _check_open(self) -> None:
        if self._is_closed:
            raise InferenceError(
                f"the captioner of bundle {self._bundle.name} is closed: open a new one"
            )

    def _hypothesis(self, sequence: Sequence) -> Hypothesis:
        text = self._bundle.vocabulary.decode(sequence.ids)
        return Hypothesis(text, sequence.log_probability, sequence.score, sequence.word_log_probs)

    def _search_options(self) -> SearchOptions:
        spec, options = self._bundle.manifest.search, self._options
        width = spec.beam_width if options.beam_width is None else options.beam_width
        penalty = spec.length_penalty if options.length_penalty is None else options.length_penalty
        if width > self._decoder.beam_width:
            raise ConfigError(
                f"beam width {width}: bundle {self._bundle.name} was exported for at most "
                f"{self._decoder.beam_width}"
            )
        return SearchOptions(width, spec.max_words, penalty)

    def _check_shapes(self) -> None:
        manifest = self._bundle.manifest
        claims = [
            ("input.size_px", manifest.input.size_px, self._encoder.size_px),
            ("search.beam_width", manifest.search.beam_width, self._decoder.beam_width),
            ("vocabulary", len(self._bundle.vocabulary), self._decoder.n_words),
        ]
        for what, claimed, found in claims:
            if claimed != found:
                raise BundleError(
                    f"bundle {self._bundle.path}: {what} is {claimed}, but the models have "
                    f"{found}; export the bundle again"
                )

    def _self_test(self) -> None:
        """Decode the generated picture that the manifest names; it warms the models up."""
        expected, path = self._bundle.manifest.self_test, self._bundle.path
        if expected.pattern >= N_PATTERNS:
            raise BundleError(f"bundle {path}: no self-test picture {expected.pattern}")
        square_hwc = preprocess(pattern(expected.pattern), self._encoder.size_px)
        try:
            mirrored = self._bundle.manifest.input.mirrored
            self._decoder.prepare(self._encoder.encode(square_hwc, mirrored=mirrored))
            state = self._decoder.initial_state(1)
            found = log_probability(self._decoder.step, state, expected.ids)
        except InferenceError as exc:
            raise BundleError(f"bundle {path} fails its self-test: {exc}") from exc
        largest = LARGEST_DIFFERENCE * (len(expected.ids) + 1)
        if not abs(found - expected.log_probability) <= largest:
            words = self._bundle.vocabulary.decode(expected.ids)
            raise BundleError(
                f"bundle {path} fails its self-test: it finds {words!r} as likely as "
                f"exp({found:.2f}), expected exp({expected.log_probability:.2f}); the runtime or "
                "the processor computes wrongly: update ai-edge-litert or use another bundle"
            )
