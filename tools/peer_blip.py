"""A contestant of ``scripts/benchmark --peers``: BLIP-base's architecture in PyTorch, float32.

Source: Li et al. 2022, "BLIP" (arXiv 2201.12086); the sizes are those of
Salesforce/blip-image-captioning-base. The weights are random, so nothing is downloaded and its
captions are noise: only time and memory are meaningful. Its picture is already scaled and
normalised, which is in its favour.
"""

from __future__ import annotations

import torch
import transformers  # type: ignore[import-not-found,unused-ignore]

from tools.peer_worker import serve, take_stdout, times_ms

_BEAM_WIDTH = 3
_N_WORDS = 12
_SIZE_PX = 384
_SEED = 1
# transformers' defaults are otherwise those of that model: ViT-B/16 at 384 px, BERT-base's size.
_N_TEXT_HEADS = 12
# The vision part's default of 1e-10 would compute with denormal numbers, which are slow.
_INITIALIZER_RANGE = 0.02


def main() -> None:
    """Build, warm up and serve."""
    out = take_stdout()
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.manual_seed(_SEED)
    config = transformers.BlipConfig(
        text_config={"num_attention_heads": _N_TEXT_HEADS},
        vision_config={"initializer_range": _INITIALIZER_RANGE, "image_size": _SIZE_PX},
    )
    model = transformers.BlipForConditionalGeneration(config).eval()
    pixels_nchw = torch.randn(1, 3, _SIZE_PX, _SIZE_PX)

    def caption() -> int:
        with torch.inference_mode():
            ids = model.generate(
                pixel_values=pixels_nchw,
                num_beams=_BEAM_WIDTH,
                do_sample=False,
                min_new_tokens=_N_WORDS,
                max_new_tokens=_N_WORDS,
            )
        return int(ids.shape[-1]) - 1  # without the start mark

    n_words = caption()
    weights = list(model.parameters())
    facts = {
        "runtime": f"float32, beam {_BEAM_WIDTH}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}",
        "words": n_words,
        "parameters": sum(weight.numel() for weight in weights),
        "model_bytes": sum(weight.numel() * weight.element_size() for weight in weights),
    }
    serve(lambda: [times_ms(caption)], facts, out)


if __name__ == "__main__":
    main()
