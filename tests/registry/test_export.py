import json
import shutil

import pytest

from orchestrator.core.errors import InputError
from orchestrator.registry.export import export_model
from orchestrator.registry.resolved_model import ResolvedModel, from_export

pytestmark = pytest.mark.integration


def test_export_model_names_the_version_without_paths_and_passwords(made, tmp_path):
    about = {
        "registered": "text_hyper/1",
        "dataset": "csv:/home/somebody/ratings.csv",
        "sweep": "of https://somebody:secret@example.org/x",
    }
    export_model(ResolvedModel(made.model, "m", about=about), tmp_path / "fox")
    exported = json.loads((tmp_path / "fox" / "export.json").read_text(encoding="utf-8"))["about"]
    assert (exported["registered"], exported["dataset"]) == ("text_hyper/1", "csv:ratings.csv")
    written = "".join((tmp_path / "fox" / name).read_text(encoding="utf-8") for name in ("export.json", "README.md"))
    assert "`text_hyper/1`" in written and "secret" not in written and "/home" not in written


@pytest.mark.parametrize("change", [{"shapes": ["image.map"]}, {"encoders": ["minilm"]}])
def test_export_model_refuses_an_unreadable_card(made, tmp_path, change):
    shutil.copytree(made.model, tmp_path / "model")
    card = tmp_path / "model" / "model.json"
    card.write_text(json.dumps({**json.loads(card.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(InputError, match="is not a readable model"):
        export_model(ResolvedModel(card.parent, "m"), tmp_path / "fox")


def test_from_export_refuses_a_readme_that_is_not_text(made, tmp_path):
    export_model(ResolvedModel(made.model, "m"), tmp_path / "fox")
    (tmp_path / "fox" / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"README\.md cannot be read"):
        from_export(tmp_path / "fox")
