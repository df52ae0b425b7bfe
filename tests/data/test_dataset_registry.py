from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import list_datasets, load_dataset, register_dataset


def test_list_has_each_dataset_as_it_is_written() -> None:
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
def test_load_explains_a_wrong_spec(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_dataset(spec)


def test_load_refuses_a_data_root_that_is_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_dataset("agiqa3k", tmp_path / "nowhere")


def test_register_refuses_a_name_that_is_taken() -> None:
    list_datasets()  # which registers what is there
    with pytest.raises(ValueError, match="data set 'shapes' is registered twice"):
        register_dataset("shapes")(lambda argument, data_root, progress: pytest.fail("never called"))
