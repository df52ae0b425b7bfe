"""BERT's embeddings next to those of sentence-transformers, with the weights of `minilm`."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from models.encoders.bert import BertSentenceModel
from models.encoders.conse import class_names
from models.encoders.minilm import MiniLM

TEXTS = [
    "",
    " ",
    "  a red fox in snow ",
    "[MASK] a [SEP] b",
    "x " * 600,
    "a portrait, 8k, unreal engine, by Greg Rutkowski, " * 9,
    "日本語の猫",
    "éàü ÇA – it’s",
    "a\n\tb\x00",
    "🦊 fox",
]


@pytest.fixture(scope="module")
def own() -> BertSentenceModel:
    return BertSentenceModel.load(MiniLM().folder, 256, torch.device("cpu"))


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[2:3], list(class_names()[:100])], ids=["mixed", "one", "short"])
def test_embeddings_equal_those_of_sentence_transformers_to_the_bit(own, texts):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(MiniLM().folder), local_files_only=True, device="cpu")
    expected = model.encode(texts, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False)
    with torch.inference_mode():
        assert torch.equal(own.encode(texts), expected)


def test_another_kind_of_model_is_rejected(tmp_path):
    shutil.copy(MiniLM().folder / "config.json", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8")) | {"model_type": "mpnet"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ValueError, match="a model of mpnet"):
        BertSentenceModel.load(tmp_path, 256, torch.device("cpu"))


def test_encoding_a_prompt_loads_no_transformers():
    code = (
        "import sys; from models.encoders import build_encoder;"
        "build_encoder('minilm').encode(['a red fox']);"
        "print([name for name in ('transformers', 'sentence_transformers', 'torch._dynamo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout == "[]\n"
