"""A run's settings: one TOML, strict, every key with its unit.

Unknown keys and values out of range are refused with the key's name, the value and what is
allowed. The docstring under a field is its documentation: ``docs/run-settings.md`` is made of it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from seealoud.device.settings.explain import explain
from seealoud.device.settings.keys import tables_of
from seealoud.device.settings_base import SettingsGroup
from seealoud.training.changed_settings import with_changes
from seealoud.training.errors import RunConfigError
from seealoud.training.metrics.things import WrongThings

CONFIGS = Path(__file__).parent / "configs"

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # NumPy takes no other


class TextConfig(SettingsGroup):
    """Which words the captioner may use."""

    minimum_count: Count = 5
    """How often a word must occur in the training captions."""
    max_words: Count = 17
    """Longer captions are cut."""


class ExtraDataConfig(SettingsGroup):
    """Captioned pictures in addition to the main data set, a share of every batch.

    Training on one set after the other forgets the first; both in every batch does not.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """Name of the folder: ``--extra NAME=DIR``, else a folder of that name beside the main one."""
    batch_pictures: Count
    """Pictures a step, each with all its captions."""
    loss_weight: Positive = 0.5
    """Weight of their loss; that of the main data set is 1."""
    views: Count = 2
    """Cached views of each picture, as ``encoder.views``."""
    plain_sentences: bool = False
    """Whether sentences that do not plainly describe the picture are left out (alt texts)."""
    wrong_things: WrongThings = "all"
    """Which things count as wrong in the reward when no caption of the picture names them: "all",
    "rooms" (kinds of rooms, where another kind is known) or "none" (captions that say little)."""


class EncoderConfig(SettingsGroup):
    """The CNN that encodes the picture."""

    name: str
    """Name of the encoder: efficientnet_lite0 to efficientnet_lite2, or inception_v3."""
    input_size_px: Annotated[int, Field(ge=32)] | None = None
    """Side of the square picture; default: the encoder's native size."""
    weights: Path | None = None
    """File of the weights; default: ImageNet's."""
    trainable_from_block: Annotated[int, Field(ge=0)] | None = None
    """Blocks from this one on are fine-tuned (EfficientNet-Lite); default: all is frozen."""
    views: Count = 2
    """Cached views of each training picture: plain, mirrored, then crops."""


class DecoderConfig(SettingsGroup):
    """The part that generates the words."""

    name: Literal["merge", "transformer"]
    """Kind of the decoder."""
    width: Count = 256
    """Length of the hidden vectors."""
    n_heads: Count = 8
    """Attention heads; they share the width evenly (transformer)."""
    n_encoder_layers: Annotated[int, Field(ge=0)] = 1
    """Self-attention layers over the grid (transformer)."""
    n_decoder_layers: Count = 2
    """Layers over the words (transformer)."""
    dropout: Share = 0.1
    """Share of hidden values that are dropped in training."""

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.name == "transformer" and self.width % self.n_heads:
            raise ValueError(f"width {self.width} is not a multiple of n_heads {self.n_heads}")
        return self


class OptimiserConfig(SettingsGroup):
    """The optimiser (AdamW) and its schedule: linear warm-up, then a cosine to zero."""

    epochs: Count = 15
    """Most passes over the main data set; see ``patience_epochs``."""
    batch_pictures: Count = 32
    """Pictures a step, each with all its captions."""
    learning_rate: Positive = 5e-4
    """Peak rate of the decoder."""
    encoder_learning_rate: Positive = 1e-4
    """Peak rate of the fine-tuned blocks."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 1
    """Epochs in which the rates rise to their peaks."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled weight decay of AdamW; biases and normalisations have none."""
    label_smoothing: Share = 0.1
    """Share of the probability that is spread over all words."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number type of the decoder in training; weights and shipped models are float32."""
    clip_norm: Positive = 1.0
    """Largest global norm of a step's gradient."""
    ema_decay: Share = 0.998
    """Decay of the moving average of the weights, which is evaluated and shipped."""
    patience_epochs: Count = 3
    """Epochs without a better dev CIDEr before the run stops."""
    checkpoint_period_s: Positive = 300
    """Seconds between checkpoints inside an epoch."""


class SearchConfig(SettingsGroup):
    """How captions are searched when dev is scored."""

    beam_width: Count = 3
    """Hypotheses that are kept at each word."""
    length_penalty: Annotated[float, Field(ge=0, le=2)] = 0.7
    """Exponent of the length by which a hypothesis' log-probability is divided."""
    mirrored: bool = False
    """Whether the mean of the grids of the picture and its mirror image is captioned."""


class SelfCriticalConfig(SettingsGroup):
    """Reinforcement of whole captions (SCST) instead of cross-entropy."""

    samples: Annotated[int, Field(ge=2)] = 5
    """Captions sampled of each picture; the others' mean is the baseline."""
    temperature: Positive = 0.6
    """Temperature of the policy, in sampling and in the gradient."""
    bleu_weight: Annotated[float, Field(ge=0)] = 2
    """Weight of sentence BLEU-4 (0..1); CIDEr-D (0..10) has 1. It keeps the length."""
    meteor_weight: Annotated[float, Field(ge=0)] = 0
    """Weight of METEOR (0..1): it rewards more of what people wrote; needs Java."""
    right_mention_weight: Annotated[float, Field(ge=0)] = 0
    """Added for each subject, count, colour or activity that a reference confirms."""
    wrong_mention_weight: Annotated[float, Field(ge=0)] = 0
    """Subtracted for each that none confirms: uncertain words are left out."""
    right_thing_weight: Annotated[float, Field(ge=0)] = 0
    """Added for each thing or room (``metrics.things``) that a reference confirms."""
    wrong_thing_weight: Annotated[float, Field(ge=0)] = 0
    """Subtracted for each that none confirms; see ``extra_data.wrong_things``."""
    repeat_weight: Annotated[float, Field(ge=0)] = 0
    """Subtracted for each content word that a caption repeats: "a table with a table"."""
    cross_entropy_weight: Annotated[float, Field(ge=0)] = 0
    """Weight of the cross-entropy of people's captions; it keeps the vocabulary large."""
    dropout: bool = False
    """Whether dropout is on in the gradient, as with cross-entropy; samples are drawn without."""
    trains_encoder: bool = False
    """Whether the reward reaches the fine-tuned blocks too."""


class RunConfig(SettingsGroup):
    """One training run."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    """Name of the run, of its folder and of its bundle."""
    seed: Seed = 1
    """Seed of the first weights, of the order of the pictures, and of dropout."""
    note: str = ""
    """What the run is for, in a few words; for readers only."""
    text: TextConfig = TextConfig()
    encoder: EncoderConfig
    decoder: DecoderConfig
    extra_data: tuple[ExtraDataConfig, ...] = ()
    optimiser: OptimiserConfig = OptimiserConfig()
    search: SearchConfig = SearchConfig()
    start_from: str | None = None
    """Name of the run whose best weights this one starts from."""
    average_of: tuple[str, ...] = ()
    """Runs whose mean weights this one has, without training (``training.earlier_weights``)."""
    self_critical: SelfCriticalConfig | None = None
    ablates: str | None = None
    """Name of the run from which this one differs in one setting; for readers only."""

    @property
    def earlier_runs(self) -> tuple[str, ...]:
        """Names of the runs that must be trained before this one."""
        return (*((self.start_from,) if self.start_from else ()), *self.average_of)

    @model_validator(mode="after")
    def _extra_data_have_names_of_their_own(self) -> Self:
        names = [extra.name for extra in self.extra_data]
        if len(set(names)) < len(names):
            raise ValueError(f"extra_data: a name occurs twice: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _samples_are_drawn_in_float32(self) -> Self:
        if self.self_critical and self.optimiser.precision != "float32":
            raise ValueError('self_critical needs optimiser.precision = "float32"')
        return self


def config_of_facts(facts: Mapping[str, Any]) -> RunConfig:
    """Return a run's settings from a manifest, without those that have been retired since.

    Args:
        facts: the manifest's ``training``, as JSON values.
    """
    known = {key: value for key, value in facts.items() if key in RunConfig.model_fields}
    return RunConfig.model_validate_json(json.dumps(known))


def read_run_config(name_or_path: str, changes: Sequence[str] = ()) -> RunConfig:
    """Return the settings in a TOML file, or in the shipped one of that name.

    Args:
        name_or_path: the file, or the name.
        changes: settings to change, each as ``optimiser.epochs=3``.

    Raises:
        RunConfigError: no such file, unreadable, not TOML, an unknown key or a value out of range.
    """
    path = Path(name_or_path)
    if not path.suffix:
        path = CONFIGS / f"{name_or_path}.toml"
    if not path.is_file():
        shipped = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
        raise RunConfigError(f"no run config {path}: give a TOML file or one of {shipped}")
    try:
        values = with_changes(tomllib.loads(path.read_text(encoding="utf-8")), changes)
        return RunConfig.model_validate(values)
    except (OSError, UnicodeDecodeError) as exc:
        raise RunConfigError(f"cannot read {path}: {exc}") from exc
    except tomllib.TOMLDecodeError as exc:
        raise RunConfigError(f"{path} is not TOML: {exc}") from exc
    except ValidationError as exc:
        problems = "; ".join(explain(exc, tables_of(RunConfig)))
        changed = f" with --set {' --set '.join(changes)}" if changes else ""
        raise RunConfigError(f"{path}{changed}: {problems}") from exc


def in_training_order(
    last: RunConfig, earlier: Callable[[str], RunConfig]
) -> tuple[RunConfig, ...]:
    """Return the settings of a run and of all the runs that it comes from, each once, it last.

    Args:
        last: the run's settings.
        earlier: returns the settings of an earlier run by its name; what it raises passes through.

    Raises:
        RunConfigError: the runs start from each other in a circle.
    """
    found: dict[str, RunConfig] = {}

    def add(config: RunConfig, later: tuple[str, ...]) -> None:
        later = (*later, config.name)
        for name in config.earlier_runs:
            if name in later:
                circle = " -> ".join((*later[later.index(name) :], name))
                raise RunConfigError(
                    f"the runs start from each other in a circle: {circle}; correct start_from "
                    "or average_of in one of them"
                )
            if name not in found:
                add(earlier(name), later)
        found[config.name] = config

    add(last, ())
    return tuple(found.values())
