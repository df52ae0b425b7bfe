import subprocess
import sys

import orchestrator.data


def test_every_public_name_is_there() -> None:
    assert all(getattr(orchestrator.data, name) is not None for name in orchestrator.data.__all__)


def test_listing_what_there_is_loads_nothing_heavy() -> None:
    code = (
        "import sys; from orchestrator.data import FeatureStore, list_datasets, list_protocols;"
        "list_datasets(); list_protocols(); FeatureStore();"
        "assert not {'torch', 'pandas', 'PIL', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
