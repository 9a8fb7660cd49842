"""Caption decoders by name, all behind the same four methods (see ``decoder.py``)."""

from __future__ import annotations

from training.decoders.decoder import DecoderSize, KerasDecoder
from training.decoders.merge import MergeDecoder
from training.decoders.transformer import TransformerDecoder

DECODERS: dict[str, type[KerasDecoder]] = {"merge": MergeDecoder, "transformer": TransformerDecoder}

__all__ = ["DECODERS", "DecoderSize", "KerasDecoder", "MergeDecoder", "TransformerDecoder"]
