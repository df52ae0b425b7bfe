import json

from orchestrator.using.exporting import export_model
from orchestrator.using.found_model import FoundModel


def test_an_export_names_its_version_and_tells_nothing_of_this_machine(made, tmp_path):
    about = {
        "registered": "text_hyper/1",
        "dataset": "csv:/home/somebody/ratings.csv",
        "sweep": "of https://somebody:secret@example.org/x",
    }
    export_model(FoundModel(made.model, "m", about=about), tmp_path / "fox")
    said = json.loads((tmp_path / "fox" / "export.json").read_text())["about"]
    assert (said["registered"], said["dataset"]) == ("text_hyper/1", "csv:ratings.csv")
    written = "".join((tmp_path / "fox" / name).read_text() for name in ("export.json", "README.md"))
    assert "`text_hyper/1`" in written and "secret" not in written and "/home" not in written
