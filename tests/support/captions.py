"""Captions with known words, for tests of what happens to them afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

from seealoud.device.records import (
    Caption,
    Description,
    Hypothesis,
    Side,
    Thing,
    ThingSource,
    Timings,
)

CAPTURED_AT = datetime(2026, 11, 23, 6, 6, 13, 123456, tzinfo=UTC)


def caption(
    text: str = "a dog runs through the grass",
    source: str = "/pictures/dog.jpg",
    captured_at: datetime = CAPTURED_AT,
) -> Caption:
    return Caption(
        frame_source=source,
        captured_at=captured_at,
        n_best=(
            Hypothesis(text, log_probability=-6.25, score=-0.75),
            Hypothesis("a cat", log_probability=-9.5, score=-2.5),
        ),
        timings=Timings(preprocess_ms=1.23456, encoder_ms=20.5, decoder_ms=30.25),
        bundle="tiny",
    )


def thing(
    name: str = "cat",
    side: Side | None = Side.LEFT,
    probability: float = 0.875,
    source: ThingSource = ThingSource.DETECTOR,
    **changes: bool,
) -> Thing:
    return Thing(name, probability, side, source, **changes)


THINGS = (
    thing(),
    thing("bowl", None, 0.75, is_several=True),
    thing("oven", None, 0.625, ThingSource.ENCODER),
    thing("toaster", Side.RIGHT, 0.375, ThingSource.ENCODER, is_sure=False),
)


# As in every message and in the history.
THINGS_JSON = [
    {"name": "cat", "probability": 0.875, "side": "left", "from": "detector",
     "several": False, "sure": True},
    {"name": "bowl", "probability": 0.75, "side": None, "from": "detector",
     "several": True, "sure": True},
    {"name": "oven", "probability": 0.625, "side": None, "from": "encoder",
     "several": False, "sure": True},
    {"name": "toaster", "probability": 0.375, "side": "right", "from": "encoder",
     "several": False, "sure": False},
]  # fmt: skip


def described(*caption_arguments: object, **caption_changes: object) -> Description:
    """Return what a command says of a caption; the arguments are the caption's."""
    made = caption(*caption_arguments, **caption_changes)  # type: ignore[arg-type]
    return Description(f"I think {made.text}.", made, 0.62)
