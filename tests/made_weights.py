"""Tiny weights with random values, laid out as the published ones are."""

import json
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torchvision.models import resnet50

COMPLETED = {"timm:NAME": "timm:test_resnet", "sentence:ID": "sentence:made/model"}
"""Complete names for the encoders whose registered name is a pattern."""

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz0123456789:,."]
WORDS += [f"##{letter}" for letter in WORDS[5:]] + ["a", "photo", "of", "cat", "dog", "red", "blue", "and", "the"]


def save_tokenizer(folder: Path) -> None:
    """Save a BERT tokenizer whose vocabulary has every letter, so that it has no unknown words."""
    from transformers import BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(WORDS)) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)


def save_bert(folder: Path, width: int = 24, seed: int = 0) -> None:
    """Save a BERT without files of sentence-transformers."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(dict.fromkeys(WORDS)),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=256,
        initializer_range=0.5,
    )
    BertModel(config).save_pretrained(folder)
    save_tokenizer(folder)


def save_sentence_model(folder: Path, pooling: str = "mean", max_tokens: int = 12, width: int = 24) -> None:
    """Save a BERT in a folder of sentence-transformers' layout, as older releases wrote it and newer ones read it."""
    save_bert(folder, width)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    listed = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed), encoding="utf-8")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": max_tokens}), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    modes = {f"pooling_mode_{mode}": mode.startswith(pooling) for mode in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": width, **modes}), encoding="utf-8"
    )


def save_blip(folder: Path, width: int = 32) -> None:
    """Save a BLIP for images of 64 pixels in patches of 16."""
    from transformers import BlipConfig, BlipForImageTextRetrieval

    torch.manual_seed(0)
    text = {
        "vocab_size": len(dict.fromkeys(WORDS)),
        "hidden_size": width,
        "encoder_hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
    }
    vision = {
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": 16,
        "initializer_range": 0.3,
    }
    config = BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16)
    BlipForImageTextRetrieval(config).save_pretrained(folder)
    save_tokenizer(folder)


def save_timm(folder: Path, name: str, suffix: str = ".safetensors") -> None:
    torch.manual_seed(1)
    state = {key: tensor.contiguous() for key, tensor in timm.create_model(name).state_dict().items()}
    for key, tensor in state.items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 2)  # so that nothing is lost unnoticed
    folder.mkdir(parents=True, exist_ok=True)
    if suffix == ".safetensors":
        save_file(state, folder / f"{name}{suffix}")
    else:
        torch.save(state, folder / f"{name}{suffix}")


def save_resnet50(folder: Path) -> None:
    torch.manual_seed(2)
    state = resnet50().state_dict()
    for key, tensor in state.items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "resnet50-made.pth")


def save_all(folder: Path) -> None:
    """Save weights for every encoder without weights in a package, in the layout of `$HYPERASSESS_WEIGHTS`."""
    save_resnet50(folder)
    save_timm(folder / "timm", "test_resnet")
    save_timm(folder / "timm", "test_efficientnet", ".pth")
    save_sentence_model(folder / "keyphrase_mpnet")
    save_bert(folder / "llm_embedder")
    save_sentence_model(folder / "made" / "model", "cls", width=20)
    save_blip(folder / "blip")
