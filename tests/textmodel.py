"""A text model of a few kilobytes, made on the spot: a BERT with random weights and a vocabulary of some words."""

from __future__ import annotations

import atexit
import json
import tempfile
from functools import cache
from pathlib import Path

WORDS = ("red", "green", "blue", "old", "new", "car", "dog", "hat", "sea", "none", "system", "user", ":")
POSITIONS, LIMIT, WIDTH = 40, 24, 12

_FOLDER = tempfile.TemporaryDirectory()
atexit.register(_FOLDER.cleanup)


@cache
def folder() -> Path:
    """Return the folder of the model. It reads 24 tokens, has positions for 40 and gives vectors of length 1."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from transformers import BertConfig, BertModel

    root = Path(_FOLDER.name)
    bare, made = root / "bare", root / "model"
    bare.mkdir()
    letters = [chr(c) for c in range(97, 123)] + [str(d) for d in range(10)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{c}" for c in letters)]
    (bare / "vocab.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": LIMIT}
    (bare / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
        BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=POSITIONS, **sizes)).save_pretrained(
            bare
        )
    first = Transformer(str(bare), max_seq_length=LIMIT)
    SentenceTransformer(modules=[first, Pooling(WIDTH), Normalize()], device="cpu").save(str(made))
    return made
