import json
import shutil

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from models.encoders import build_encoder
from models.encoders.sentence_encoder import _width
from tests.made_weights import save_sentence_model

PROMPTS = ["a red cat", "a photo of the dog and the blue cat and a red dog and the photo of the cat"]


@torch.inference_mode()
def hidden_states(folder, prompts, limit):
    """Return the tokens' last hidden states and their mask, by transformers alone."""
    tokens = AutoTokenizer.from_pretrained(folder)(
        prompts, padding=True, truncation=True, max_length=limit, return_tensors="pt"
    )
    return AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state, tokens["attention_mask"]


def mean_of(states, mask):
    return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def test_keyphrase_mpnet_averages_the_tokens(weights):
    expected = mean_of(*hidden_states(weights / "keyphrase_mpnet", PROMPTS, 128))
    embedding = build_encoder("keyphrase_mpnet").encode(PROMPTS)["embedding"]
    torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-5)


def test_keyphrase_mpnet_reads_beyond_its_own_limit_of_12_tokens(weights):
    limited = json.loads((weights / "keyphrase_mpnet" / "sentence_bert_config.json").read_text(encoding="utf-8"))
    assert limited == {"max_seq_length": 12}
    words = "a photo of the red cat and the blue dog and a red dog"
    ends = [f"{words} and the cat", f"{words} and the dog"]
    as_published = build_encoder(f"sentence:{weights / 'keyphrase_mpnet'}").encode(ends)["embedding"]
    assert torch.equal(as_published[0], as_published[1])
    raised = build_encoder("keyphrase_mpnet").encode(ends)["embedding"]
    assert (raised[0] - raised[1]).abs().max() > 1e-3
    long = [f"{words} " * 20 + end for end in ("cat", "dog")]  # at 128 it ends all the same
    beyond = build_encoder("keyphrase_mpnet").encode(long)["embedding"]
    assert torch.equal(beyond[0], beyond[1])


def test_llm_embedder_takes_the_first_token_of_instruction_and_prompt(weights):
    instruction = "Represent this query for retrieving relevant documents: "
    states, _ = hidden_states(weights / "llm_embedder", [instruction + prompt for prompt in PROMPTS], 64)
    expected = torch.nn.functional.normalize(states[:, 0], dim=1)
    embedding = build_encoder("llm_embedder").encode(PROMPTS)["embedding"]
    torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-5)


def test_a_models_own_settings_are_kept(weights):
    states, _ = hidden_states(weights / "made" / "model", PROMPTS, 12)
    embedding = build_encoder("sentence:made/model").encode(PROMPTS)["embedding"]
    torch.testing.assert_close(embedding, states[:, 0], rtol=1e-4, atol=1e-5)


def test_a_prompts_embedding_does_not_depend_on_its_neighbours(weights):
    encoder = build_encoder("keyphrase_mpnet")
    alone, together = encoder.encode(PROMPTS[:1])["embedding"], encoder.encode(PROMPTS)["embedding"]
    torch.testing.assert_close(alone[0], together[0], rtol=1e-4, atol=1e-5)


def test_a_folder_is_the_same_encoder_wherever_it_is(weights, tmp_path, monkeypatch):
    shutil.copytree(weights / "made" / "model", tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    moved = build_encoder("sentence:moved")
    assert moved.name == f"sentence:{tmp_path / 'moved'}"
    assert moved.identity == build_encoder("sentence:made/model").identity
    settings = tmp_path / "moved" / "1_Pooling" / "config.json"
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("true", "null").replace("false", "true").replace("null", "false"),
        encoding="utf-8",
    )
    from models.encoders.pretrained import sha256

    sha256.cache_clear()
    assert build_encoder("sentence:moved").identity != build_encoder("sentence:made/model").identity


@pytest.mark.parametrize("source", ["/no/such/folder", "./nothing", "~/nothing/here"])
def test_missing_folder_is_an_immediate_error(source):
    with pytest.raises(ValueError, match="there is no folder"):
        build_encoder(f"sentence:{source}")


def test_folder_without_weights_is_an_immediate_error(tmp_path):
    with pytest.raises(ValueError, match="contains no weights"):
        build_encoder(f"sentence:{tmp_path}")


POOLING = {"word_embedding_dimension": 20, "pooling_mode_mean_tokens": True}


@pytest.mark.parametrize(
    ("modules", "settings", "width"),
    [
        ([], {"hidden_size": 20}, 20),
        (["Pooling"], POOLING, 20),
        (["Pooling", "Normalize"], POOLING, 20),
        (["Pooling"], POOLING | {"pooling_mode_cls_token": True}, 40),
        (["Pooling"], {"embedding_dimension": 20, "pooling_mode": ["mean", "max", "cls"]}, 60),
        (["Pooling", "Dense"], {"in_features": 20, "out_features": 7}, 7),
        (["WordWeights"], {}, None),
    ],
)
def test_the_width_is_known_without_the_weights(tmp_path, modules, settings, width):
    listed = [{"type": f"sentence_transformers.models.{kind}", "path": kind} for kind in modules]
    if modules:
        (tmp_path / "modules.json").write_text(json.dumps(listed), encoding="utf-8")
    last = next((kind for kind in reversed(modules) if kind != "Normalize"), "")
    (tmp_path / last).mkdir(exist_ok=True)
    (tmp_path / last / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert _width(tmp_path) == width


def test_width_is_that_of_the_loaded_model_if_the_settings_lack_it(tmp_path):
    save_sentence_model(tmp_path, "mean", width=28)
    settings = tmp_path / "1_Pooling" / "config.json"
    listed = json.loads((tmp_path / "modules.json").read_text(encoding="utf-8"))
    listed.append({"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"})
    assert _width(tmp_path) == 28
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("word_embedding_dimension", "unknown"), encoding="utf-8"
    )
    assert _width(tmp_path) is None
    settings.unlink()
    (tmp_path / "modules.json").unlink()
    content = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(content | {"hidden_size": None}), encoding="utf-8")
    assert _width(tmp_path) is None
