"""The notebook of the documentation, executed in a kernel of its own with the real Ray and MLflow."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from orchestrator import load_sweep

NOTEBOOK = Path(__file__).parents[2] / "docs" / "examples" / "sweep.ipynb"

pytestmark = pytest.mark.e2e


def outputs(notebook, kind):
    """Return the data of all outputs of a MIME type, in their order."""
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data[kind] for output in found if kind in output.get("data", {})]


def test_notebook_runs_and_shows_progress_tables_plot_and_scores(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=540, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = outputs(notebook, "text/html")
    progress = [html for html in shown if "notebook: text_hyper" in html]
    assert len(progress) == 1 and "trial 2" in progress[0], "one progress, updated in place"
    assert len(outputs(notebook, "image/png")) == 1
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.output_type == "stream"
    ]
    result = load_sweep("notebook", tmp_path / "sweeps")
    assert result.state == "finished" and result.best.key in shown[-1]
    scores = shown[-2]
    assert scores.count("<tr") == 3 and "NaN" not in scores


def test_saved_outputs_name_no_path_of_a_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not [part for part in ("/tmp/", "/home/", "/root/", "/work/", "/Users/") if part in text]
    assert len(text) < 200_000
