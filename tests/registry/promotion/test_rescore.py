from types import SimpleNamespace

import pandas as pd
from safetensors.torch import load_file

from orchestrator.registry.promotion import rescore
from tests.scoring.made_model import save_model


def test_check_scores_returns_unreadable_weights_as_the_reason(tmp_path, monkeypatch):
    folder = save_model(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"torn")
    # Scores from stored features do not use the scorer, which explains unreadable files.
    monkeypatch.setattr(rescore, "score_stored", lambda *_: load_file(folder / "model.safetensors"))
    rows = pd.DataFrame({"name": ["a"], "image": ["a.png"], "prompt": ["a fox"], "generator": ["x"]})
    dataset = SimpleNamespace(name="made", table=rows, prompt_ids=[0], targets=("alignment",))
    table = rows.assign(part="test", alignment=3.0, predicted_alignment=3.0)
    check = rescore.check_scores(folder, table, 0.5, SimpleNamespace(dataset=dataset))
    assert "holds no model that can be read" in check.reason
