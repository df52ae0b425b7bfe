"""A sweep's settings: read, refused, saved, compared."""

import math
from datetime import UTC
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import ValidationError

from orchestrator.core.errors import InputError
from orchestrator.core.spec import RESUMABLE_SETTINGS, SweepSpec, build_spec, load_spec, with_defaults
from orchestrator.core.spec_migrations import MIGRATIONS, SCHEMA_VERSION
from orchestrator.search.samplers import build_sampler, list_samplers


def test_spec_is_the_same_after_saving_and_loading(tmp_path):
    spec = build_spec({"variant": "image_hyper", "targets": ("quality",), "data_root": Path("x"), "max_hours": 1.5})
    spec.save(tmp_path / "spec.yaml")
    assert load_spec(tmp_path / "spec.yaml") == spec
    assert spec.created.tzinfo is UTC and spec.data_root == Path.cwd() / "x"


def test_unnamed_sweep_is_named_after_variant_and_data():
    spec = build_spec({"variant": "image_hyper", "dataset": "csv:/some/where/my ratings.csv".replace(" ", "_")})
    assert spec.name == f"image_hyper-my_ratings-{spec.id}"
    assert build_spec({}).name != build_spec({}).name


def test_name_is_valid_for_any_csv_file():
    spec = build_spec({"dataset": "csv:my ratings (2).csv"})
    assert spec.name.startswith("text_hyper-my")


def test_options_override_the_config(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("trials: 5\ncpus-per-trial: 2\nname: own\n", encoding="utf-8")
    spec = build_spec({"trials": 7, "epochs": None}, config)
    assert (spec.trials, spec.cpus_per_trial, spec.name, spec.epochs) == (7, 2, "own", 15)


def test_empty_config_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="mapping"):
        build_spec({}, tmp_path / "config.yaml")


@pytest.mark.parametrize(
    "given", [{"trials": 0}, {"name": "a b"}, {"max_hours": -1}, {"cpus_per_trial": "many"}, {"gpus_per_trial": 1.5}]
)
def test_wrong_setting_is_named_as_its_option(given):
    (name,) = given
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}") as caught:
        build_spec(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given, reason",
    [
        ({"trials": 0}, "must be at least 1, not 0"),
        ({"trials": 10**9}, "must be at most 1000000, not 1000000000"),
        ({"trials": "1e9"}, "must be a whole number, not '1e9'"),
        ({"epochs": 0}, "must be at least 1, not 0"),
        ({"splits": 10**9}, "must be at most 1000"),
        ({"confirm": -1}, "must be at least 0"),
        ({"concurrency": 0}, "must be at least 1"),
        ({"cpus_per_trial": -1}, "must be above 0, not -1"),
        ({"cpus_per_trial": math.nan}, "must be finite, not nan"),
        ({"gpus_per_trial": math.inf}, "must be a number of at most 100000, a part of one GPU, or auto"),
        ({"max_hours": math.inf}, "must be finite, not inf"),
        ({"max_epoch_minutes": 0}, "must be above 0"),
        ({"priority": math.nan}, "must be finite"),
        ({"seed": -1}, "must be at least 0"),
        ({"seed": 2**63}, "must be at most 9223372036854775807"),
        ({"name": "ä b"}, "must begin with a letter or digit and have only letters, digits, '.', '_' and '-'"),
        ({"keep": "best:0"}, "must be best:K, last, all or none, not 'best:0'"),
        ({"keep_bytes": "1e400GB"}, "must be a size such as 500MB or 2GB"),
        ({"targets": ("a", "b", "a")}, "a is there twice"),
        ({"trails": 3}, "did you mean trials"),
    ],
)
def test_a_setting_out_of_range_is_refused_in_one_sentence(given, reason):
    with pytest.raises(InputError) as caught:
        build_spec(given)
    (name,) = given
    message = str(caught.value)
    assert message.startswith(f"--{name.replace('_', '-')}: ") and reason in message and message.endswith(".")
    assert "\n" not in message and "Input should" not in message


@pytest.mark.parametrize("seed", [2**31, 2**32 - 1, 2**40, 2**63 - 1])
def test_a_seed_of_up_to_63_bits_is_valid_for_every_sampler(seed):
    assert build_spec({"seed": seed}).seed == seed
    for name in list_samplers():
        build_sampler(name, seed + 5)
    assert torch.manual_seed(seed + 1000)


def test_a_setting_given_twice_in_the_config_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("trials: 5\nepochs: 2\ntrials: 6\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.yaml cannot be read: the key trials is there twice, in lines"):
        build_spec({}, tmp_path / "config.yaml")


def test_differences_list_settings_that_decide_the_figures():
    first = build_spec({"name": "a"})
    assert first.differences(build_spec({"name": "b", "concurrency": 3, "tracking_uri": "x", "max_hours": 2})) == {}
    other = build_spec({"name": "a", "trials": 9, "seed": 1})
    assert first.differences(other) == {"trials": (12, 9), "seed": (0, 1)}
    assert set(SweepSpec.model_fields) > RESUMABLE_SETTINGS


@pytest.mark.parametrize(
    "change", [{"schema_version": 3}, {"schema_version": 0}, {"schema_version": "new"}, {"trials": "x"}, {"wings": 2}]
)
def test_spec_with_a_wrong_field_is_refused(tmp_path, change):
    path = tmp_path / "spec.yaml"
    build_spec({"name": "a"}).save(path)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(InputError, match=r"spec\.yaml"):
        load_spec(path)


VERSION_1 = """\
schema_version: 1
id: 97cc4b8b
name: old
created: '2025-11-25T03:18:14.000000Z'
variant: text_hyper
dataset: shapes
data_root: null
criteria: null
targets: []
protocol: disjoint
encoders: []
backbone: frozen
trials: 3
epochs: 3
sampler: tpe
pruner: halving
space: null
seed: 0
enqueue: null
max_hours: null
confirm: 1
splits: 2
concurrency: null
cpus_per_trial: 1.0
gpus_per_trial: 0.0
address: null
tracking_uri: null
"""


def test_spec_of_version_1_is_migrated(tmp_path):
    (tmp_path / "spec.yaml").write_text(VERSION_1, encoding="utf-8")
    spec = load_spec(tmp_path / "spec.yaml")
    assert (spec.name, spec.trials, spec.warm_start, spec.schema_version) == ("old", 3, (), SCHEMA_VERSION)
    spec.save(tmp_path / "spec.yaml")
    assert load_spec(tmp_path / "spec.yaml") == spec


def test_every_earlier_version_has_a_migration():
    assert set(MIGRATIONS) == set(range(1, SCHEMA_VERSION))


def test_newer_spec_is_refused_with_the_reason(tmp_path):
    (tmp_path / "spec.yaml").write_text(VERSION_1.replace("schema_version: 1", "schema_version: 99"), encoding="utf-8")
    with pytest.raises(InputError, match="schema version 99, from a newer HyperAssess; this one reads up to"):
        load_spec(tmp_path / "spec.yaml")


def test_changed_spec_is_validated():
    spec = build_spec({"name": "a", "trials": 3})
    assert spec.changed({"trials": 5}).trials == 5 and spec.changed({"trials": 5}).id == spec.id
    with pytest.raises(InputError, match="--max-hours"):
        spec.changed({"max_hours": -1})


def test_loading_a_missing_spec_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no sweep at"):
        load_spec(tmp_path / "spec.yaml")


def test_spec_is_immutable():
    with pytest.raises(ValidationError):
        build_spec({}).trials = 3


def test_ledger_is_saved_with_its_driver_and_without_a_password(tmp_path):
    spec = build_spec({"ledger": "postgresql://me@host/db"})
    assert spec.ledger == "postgresql+psycopg://me@host/db"
    config = tmp_path / "sweep.yaml"
    config.write_text("ledger: postgresql://me:hunter2@host/db\n", encoding="utf-8")
    with pytest.raises(InputError, match="PGPASSWORD") as refused:
        build_spec({}, config)
    assert "hunter2" not in str(refused.value)


def test_given_ledger_comes_before_the_environment(monkeypatch):
    assert with_defaults(build_spec({})).ledger is None
    monkeypatch.setenv("HYPERASSESS_LEDGER", "sqlite:////data/ledger.db")
    assert build_spec({}).ledger is None
    assert with_defaults(build_spec({})).ledger == "sqlite:////data/ledger.db"
    assert with_defaults(build_spec({"ledger": "sqlite:////own.db"})).ledger == "sqlite:////own.db"
    monkeypatch.setenv("HYPERASSESS_LEDGER", "postgresql://me:hunter2@host/db")
    with pytest.raises(InputError, match="PGPASSWORD"):
        with_defaults(build_spec({}))


def test_overrides_of_the_space_are_the_same_from_the_command_line_and_a_configuration(tmp_path):
    given = build_spec({"set": ("lr=loguniform(1e-4,1e-2)", "depth=2", 'loss=["huber", "mse"]')})
    for number, content in enumerate(
        (
            "set: {lr: 'loguniform(1e-4,1e-2)', depth: 2, loss: [huber, mse]}\n",
            "set: [depth=2, 'lr=loguniform(1e-4,1e-2)', 'loss=[\"huber\", \"mse\"]']\n",
        )
    ):
        (config := tmp_path / f"{number}.yaml").write_text(content, encoding="utf-8")
        assert not build_spec({}, config).differences(given)
    assert build_spec({"set": ("depth=3",)}).differences(given).keys() == {"set"}
