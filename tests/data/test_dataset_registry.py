from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import list_datasets, load_dataset, register_dataset


def test_the_datasets_are_listed_as_they_are_asked_for() -> None:
    assert {"agiqa3k", "csv:FILE", "shapes[:SEED]"} <= set(list_datasets())


@pytest.mark.parametrize(
    "spec, message",
    [
        ("shape", r"Unknown data set 'shape': did you mean shapes\[:SEED\]\?"),
        ("zzz", "Unknown data set 'zzz': there are agiqa1k, agiqa3k, "),
        ("csv", "The dataset 'csv' should read csv:FILE."),
        ("csv:", "The dataset 'csv:' should read csv:FILE."),
        ("agiqa3k:x", "The dataset 'agiqa3k:x' should read agiqa3k."),
        ("shapes:", r"The dataset 'shapes:' should read shapes\[:SEED\]."),
        ("shapes:many", "The seed of shapes is a whole number"),
    ],
)
def test_what_cannot_be_loaded_is_explained(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_dataset(spec)


def test_the_data_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_dataset("agiqa3k", tmp_path / "nowhere")


def test_a_name_is_taken_once() -> None:
    list_datasets()  # which registers what is there
    with pytest.raises(ValueError, match="data set 'shapes' is registered twice"):
        register_dataset("shapes")(lambda argument, data_root, progress: pytest.fail("never called"))
