"""EfficientNet-Lite 0, 1 and 2 as Keras functional models, whole or cut at a block.

Layer names depend only on the block's index, so weights map by layer name between a whole
network, its trunk (blocks 0..k-1) and its tail (blocks k.. and head). This module
loads no weights.

The Lite family (https://github.com/tensorflow/tpu, efficientnet/lite) is EfficientNet
(Tan and Le, 2019, https://arxiv.org/abs/1905.11946) made for integer hardware: ReLU6 instead
of swish, no squeeze-and-excite, and a stem and head that are never scaled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras

from seealoud.device.errors import ConfigError

HEAD_CHANNELS = 1280
IMAGENET_CLASSES = 1000
_STEM_CHANNELS = 32
_STEM_STRIDE = 2
_CHANNEL_DIVISOR = 8
_MAX_CHANNEL_LOSS = 0.1  # rounding may take at most this share of a stage's channels
_BN_EPSILON = 1e-3
_BN_MOMENTUM = 0.99
_MIN_INPUT_PX = 32  # below this the last grid would be smaller than one cell


@dataclass(frozen=True)
class _Stage:
    """A run of equal blocks before scaling."""

    repeats: int
    kernel_px: int
    stride: int
    expand_ratio: int
    channels: int


@dataclass(frozen=True)
class _Variant:
    """How one member of the family scales the stages."""

    width: float
    depth: float
    native_size_px: int


@dataclass(frozen=True)
class BlockSpec:
    """One MBConv block after scaling."""

    index: int
    kernel_px: int
    stride: int
    expand_ratio: int
    channels_in: int
    channels_out: int

    @property
    def has_skip(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.stride == 1 and self.channels_in == self.channels_out


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)

_VARIANTS = {
    "efficientnet_lite0": _Variant(1.0, 1.0, 224),
    "efficientnet_lite1": _Variant(1.0, 1.1, 240),
    "efficientnet_lite2": _Variant(1.1, 1.2, 260),
}

LITE_NAMES: tuple[str, ...] = tuple(_VARIANTS)


def native_size_px(name: str) -> int:
    """Return the side in pixels of the pictures that ``name`` was trained on.

    Raises:
        ConfigError: ``name`` is not one of ``LITE_NAMES``.
    """
    return _variant(name).native_size_px


def block_specs(name: str) -> tuple[BlockSpec, ...]:
    """Return the blocks of ``name`` in order; their indices are those in the layer names.

    Raises:
        ConfigError: ``name`` is not one of ``LITE_NAMES``.
    """
    variant = _variant(name)
    blocks: list[BlockSpec] = []
    channels_in = _STEM_CHANNELS
    for stage in _STAGES:
        channels = _scaled_channels(stage.channels, variant.width)
        # The Lite models scale the width of the first and last stage, but never their depth.
        is_fixed = stage in (_STAGES[0], _STAGES[-1])
        repeats = stage.repeats if is_fixed else math.ceil(stage.repeats * variant.depth)
        for repeat in range(repeats):
            blocks.append(
                BlockSpec(
                    index=len(blocks),
                    kernel_px=stage.kernel_px,
                    stride=stage.stride if repeat == 0 else 1,
                    expand_ratio=stage.expand_ratio,
                    channels_in=channels_in,
                    channels_out=channels,
                )
            )
            channels_in = channels
    return tuple(blocks)


def block_output_shape(name: str, block: int, input_size_px: int) -> tuple[int, int, int]:
    """Return (height, width, channels) that block number ``block`` gives out.

    Raises:
        ConfigError: no such model, or no such block.
    """
    blocks = block_specs(name)
    if not 0 <= block < len(blocks):
        raise ConfigError(f"{name} has blocks 0..{len(blocks) - 1}, not {block}")
    side = math.ceil(input_size_px / _STEM_STRIDE)
    for spec in blocks[: block + 1]:
        side = math.ceil(side / spec.stride)  # 'same' padding rounds up
    return side, side, blocks[block].channels_out


def build_efficientnet_lite(
    name: str,
    input_size_px: int | None = None,
    *,
    first_block: int = 0,
    end_block: int | None = None,
    classifier: bool = False,
) -> keras.Model:
    """Build an EfficientNet-Lite, or a part of it, with untrained weights.

    Args:
        name: One of ``LITE_NAMES``.
        input_size_px: Side of the (square) picture; default is the model's native size. For a
            tail it is still the side of the picture, not of the cached grid.
        first_block: 0 takes float32 ``[B, H, W, 3]`` RGB, normalised (pixel - 127) / 128.
            k > 0 builds the tail that takes the float32 output of block k-1; k may equal the
            number of blocks, which leaves the head alone.
        end_block: If given, stop before this block and leave out the head: the trunk whose
            output a tail with the same ``first_block`` takes.
        classifier: Add global pooling and the ImageNet layer, only to prove ported weights.

    Returns:
        A model giving float32 ``[B, h, w, 1280]`` (``[B, 7, 7, 1280]`` at 224 px), a trunk's
        ``[B, h, w, C]``, or ImageNet logits ``[B, 1000]``. BatchNormalization layers are
        plain and trainable: freezing is the caller's business.

    Raises:
        ConfigError: unknown name, a block out of range, a picture too small, or a
            classifier wanted on a trunk.
    """
    size_px = native_size_px(name) if input_size_px is None else input_size_px
    blocks = block_specs(name)
    _check_cut(name, size_px, first_block, end_block)
    if classifier and end_block is not None:
        raise ConfigError(f"{name}: a classifier needs the head, so give no end_block")
    if first_block == 0:
        inputs = keras.Input((size_px, size_px, 3), name="image_bhwc")
        x = _stem(inputs)  # [B, ceil(H/2), ceil(W/2), 32]
    else:
        shape = block_output_shape(name, first_block - 1, size_px)
        inputs = keras.Input(shape, name=f"block_{first_block - 1}_grid")
        x = inputs
    for block in blocks[first_block:end_block]:
        x = _mbconv(x, block)
    if end_block is None:
        x = _conv_bn(x, "head", HEAD_CHANNELS)  # [B, h, w, 1280]
    if classifier:
        x = keras.layers.GlobalAveragePooling2D(name="pool")(x)  # [B, 1280]
        x = keras.layers.Dense(IMAGENET_CLASSES, name="classifier")(x)  # [B, 1000]
    return keras.Model(inputs, x, name=_model_name(name, first_block, end_block))


def _variant(name: str) -> _Variant:
    try:
        return _VARIANTS[name]
    except KeyError:
        known = ", ".join(LITE_NAMES)
        raise ConfigError(f"unknown EfficientNet-Lite {name!r}: choose one of {known}") from None


def _scaled_channels(channels: int, width: float) -> int:
    """Scale and round to a multiple of 8, never losing more than a tenth."""
    scaled = channels * width
    rounded = max(
        _CHANNEL_DIVISOR,
        int(scaled + _CHANNEL_DIVISOR / 2) // _CHANNEL_DIVISOR * _CHANNEL_DIVISOR,
    )
    if rounded < (1 - _MAX_CHANNEL_LOSS) * scaled:
        rounded += _CHANNEL_DIVISOR
    return rounded


def _check_cut(name: str, size_px: int, first_block: int, end_block: int | None) -> None:
    if size_px < _MIN_INPUT_PX:
        raise ConfigError(f"{name} needs pictures of at least {_MIN_INPUT_PX} px, not {size_px}")
    last = len(block_specs(name))
    is_tail = end_block is None and 0 <= first_block <= last
    is_trunk = end_block is not None and 0 <= first_block < end_block <= last
    if not (is_tail or is_trunk):
        raise ConfigError(
            f"{name} cannot be cut to first_block={first_block}, end_block={end_block}: "
            f"expected 0 <= first_block < end_block <= {last}, or no end_block"
        )


def _model_name(name: str, first_block: int, end_block: int | None) -> str:
    if end_block is not None:
        return f"{name}_blocks_{first_block}_to_{end_block}"
    return f"{name}_from_block_{first_block}" if first_block else name


def _stem(x: keras.KerasTensor) -> keras.KerasTensor:
    return _conv_bn(x, "stem", _STEM_CHANNELS, kernel_px=3, stride=_STEM_STRIDE)


def _mbconv(inputs: keras.KerasTensor, block: BlockSpec) -> keras.KerasTensor:
    """Expand with 1x1, filter each channel, project with 1x1 and no activation."""
    prefix = f"block_{block.index}"
    x = inputs  # [B, h, w, channels_in]
    if block.expand_ratio != 1:
        x = _conv_bn(x, f"{prefix}_expand", block.channels_in * block.expand_ratio)
    x = keras.layers.DepthwiseConv2D(
        block.kernel_px,
        strides=block.stride,
        padding="same",
        use_bias=False,
        name=f"{prefix}_depthwise_conv",
    )(x)  # [B, ceil(h/stride), ceil(w/stride), channels_in * expand_ratio]
    x = _batch_norm(x, f"{prefix}_depthwise")
    x = keras.layers.Activation("relu6", name=f"{prefix}_depthwise_relu6")(x)
    x = _conv_bn(x, f"{prefix}_project", block.channels_out, activation=None)
    if block.has_skip:
        x = keras.layers.Add(name=f"{prefix}_add")([x, inputs])
    return x


def _conv_bn(
    x: keras.KerasTensor,
    prefix: str,
    channels: int,
    *,
    kernel_px: int = 1,
    stride: int = 1,
    activation: str | None = "relu6",
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        channels,
        kernel_px,
        strides=stride,
        padding="same",
        use_bias=False,
        name=f"{prefix}_conv",
    )(x)
    x = _batch_norm(x, prefix)
    if activation is None:
        return x
    return keras.layers.Activation(activation, name=f"{prefix}_{activation}")(x)


def _batch_norm(x: keras.KerasTensor, prefix: str) -> keras.KerasTensor:
    return keras.layers.BatchNormalization(
        momentum=_BN_MOMENTUM, epsilon=_BN_EPSILON, name=f"{prefix}_bn"
    )(x)
