"""Image encoders with ImageNet weights: EfficientNet-Lite 0 to 2 and InceptionV3.

The modules from the bottom up: ``efficientnet_lite`` (networks), ``folded`` (their pass in
training), ``named_weights`` (arrays by layer name), ``torch_file`` (safe checkpoint reader),
``port`` (PyTorch to Keras) and ``registry`` (encoders by name). Nothing here needs PyTorch.
"""

from __future__ import annotations

from seealoud.training.encoders.efficientnet_lite import (
    LITE_NAMES,
    BlockSpec,
    block_output_shape,
    block_specs,
    build_efficientnet_lite,
)
from seealoud.training.encoders.folded import FoldedNetwork
from seealoud.training.encoders.named_weights import (
    NamedWeights,
    apply_weights,
    collect_weights,
    load_weights,
    model_fingerprint,
    save_weights,
)
from seealoud.training.encoders.port import default_cache_dir
from seealoud.training.encoders.registry import (
    ENCODER_NAMES,
    EncoderSpec,
    build_encoder,
    encoder_spec,
    load_encoder_weights,
    weights_fingerprint,
)

__all__ = [
    "ENCODER_NAMES",
    "LITE_NAMES",
    "BlockSpec",
    "EncoderSpec",
    "FoldedNetwork",
    "NamedWeights",
    "apply_weights",
    "block_output_shape",
    "block_specs",
    "build_efficientnet_lite",
    "build_encoder",
    "collect_weights",
    "default_cache_dir",
    "encoder_spec",
    "load_encoder_weights",
    "load_weights",
    "model_fingerprint",
    "save_weights",
    "weights_fingerprint",
]
