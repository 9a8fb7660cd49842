"""Caption decoders by name, all behind the same four methods (see ``decoder.py``)."""

from __future__ import annotations

from seealoud.training.decoders.decoder import DecoderSize, KerasDecoder
from seealoud.training.decoders.merge import MergeDecoder
from seealoud.training.decoders.transformer import TransformerDecoder

DECODERS: dict[str, type[KerasDecoder]] = {"merge": MergeDecoder, "transformer": TransformerDecoder}

__all__ = ["DECODERS", "DecoderSize", "KerasDecoder", "MergeDecoder", "TransformerDecoder"]
