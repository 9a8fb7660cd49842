"""Published scores on Flickr8k's test split, to be read beside ours.

Each row is what its authors printed; None is what they did not. COCO evaluation unless the note
says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Anchor:
    """One published row; metrics times 100, None where not published."""

    model: str
    bleu_1: float | None = None
    bleu_4: float | None = None
    meteor: float | None = None
    rouge_l: float | None = None
    cider: float | None = None
    note: str = ""


ANCHORS = (
    Anchor(
        "Keras tutorial, VGG16 merge (machinelearningmastery)",
        bleu_1=57.9,
        bleu_4=13.1,
        note="NLTK, start and end tags left in: not comparable",
    ),
    Anchor("NIC, Show and Tell (Vinyals 2014)", bleu_1=63.0, note="ensemble, beam 20"),
    Anchor(
        "Show, Attend and Tell, hard attention (Xu 2015)", bleu_1=67.0, bleu_4=21.3, meteor=20.3
    ),
    Anchor(
        "Merge net, VGG (Tanti 2018)",
        bleu_1=60.0,
        bleu_4=17.8,
        meteor=19.3,
        rouge_l=44.4,
        cider=46.9,
        note="1.6 M parameters",
    ),
    Anchor(
        "Adaptive attention, ResNet-152 fine-tuned",
        bleu_1=65.9,
        bleu_4=23.5,
        meteor=20.7,
        rouge_l=47.6,
        cider=58.9,
        note="beam 5; best clean small-data number found",
    ),
    Anchor("CLIP ViT-L/14 + GPT-2", bleu_1=70.0, bleu_4=26.2, meteor=25.7, note="split not stated"),
    Anchor("InstructBLIP 7B, zero-shot", bleu_1=47.1, bleu_4=15.6, rouge_l=37.3, cider=36.7),
    Anchor(
        "VGG16 + LSTM quantized to TFLite (arXiv 2012.09708)",
        bleu_1=56.8,
        note="155 MB; nearest prior art",
    ),
)

BEST_PUBLISHED_CIDER = max(anchor.cider for anchor in ANCHORS if anchor.cider is not None)
