"""Names that `--help` lists are those that the registries know."""

import subprocess
import sys

import pytest

from models import list_variants
from models.encoders import list_encoders
from models.encoders.registry import KINDS
from orchestrator.core.names_for_help import REGISTRIES, fill_in_names, registered_names
from orchestrator.data import list_datasets, list_protocols
from orchestrator.search.pruners import PRUNERS
from orchestrator.search.samplers import SAMPLERS

KNOWN = {
    "variant": list_variants,
    "encoder": lambda: [name for kind in KINDS for name in list_encoders(kind)],
    "dataset": list_datasets,
    "protocol": list_protocols,
    "sampler": lambda: SAMPLERS,
    "pruner": lambda: PRUNERS,
}


@pytest.mark.parametrize("registry", REGISTRIES)
def test_names_are_those_of_the_registry(registry):
    assert sorted(registered_names(registry)) == sorted(KNOWN[registry]())


@pytest.mark.parametrize("registry", ["variant", "sampler", "pruner", "protocol"])
def test_every_name_has_a_line_of_description(registry):
    assert all(registered_names(registry).values())


def test_text_is_filled_in_with_the_names():
    assert fill_in_names("Stops trials: {pruner}. {other}") == f"Stops trials: {', '.join(PRUNERS)}. {{other}}"


def test_reading_names_imports_no_heavy_package():
    code = (
        "from orchestrator.core.names_for_help import REGISTRIES, registered_names\n"
        "import sys; [registered_names(name) for name in REGISTRIES]\n"
        "print({'torch', 'numpy', 'pandas', 'optuna', 'models'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, encoding="utf-8")
    assert done.stdout.strip() == "set()", done.stderr
