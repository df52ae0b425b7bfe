"""Private names of Ray: each exists in the version it was checked against, and has a fallback or a refusal."""

import importlib
import inspect
import os
from types import SimpleNamespace

import pytest
import ray
from ray import tune
from ray.tune.execution import tune_controller
from ray.tune.execution.class_cache import DEFAULT_ENV_VARS, ENV_VARS_TO_PROPAGATE
from ray.tune.schedulers import FIFOScheduler

from orchestrator.cluster import loopback
from orchestrator.execution import node_exclusion, tune_runner
from orchestrator.execution.tune_adapter import ControllerScheduler, _end_cached_actors, register_controller

CHECKED_VERSION = "2.60"

NAMED = pytest.mark.skipif(
    not ray.__version__.startswith(f"{CHECKED_VERSION}."), reason=f"checked against Ray {CHECKED_VERSION}"
)


@NAMED
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("ray._raylet", "GcsClient"),
        ("ray._raylet", "AuthenticationTokenLoader"),
        ("ray._raylet", "Config"),
        ("ray._private.services", "resolve_ip_for_localhost"),
        ("ray._private.state", "actors"),
        ("ray.experimental.internal_kv", "_internal_kv_put"),
        ("ray.experimental.internal_kv", "_internal_kv_get"),
        ("ray.experimental.internal_kv", "_internal_kv_list"),
        ("ray.experimental.internal_kv", "_internal_kv_del"),
    ],
)
def test_a_module_of_ray_has_the_name(module, name):
    assert callable(getattr(importlib.import_module(module), name))


@NAMED
@pytest.mark.parametrize(
    "name",
    ["_actor_to_trial", "_trial_to_actor", "_actor_manager", "_pending_trials", "_pending_trials_list", "_actor_cache"],
)
def test_tunes_controller_sets_the_attribute(name):
    assert f"self.{name}" in inspect.getsource(tune_controller.TuneController)


@NAMED
def test_tunes_controller_has_the_methods():
    assert callable(tune_controller.TuneController.request_stop_trial)
    assert "force_all" in inspect.signature(tune_controller.TuneController._cleanup_cached_actors).parameters


@NAMED
def test_the_names_that_tune_copies_to_workers_are_a_set():
    assert isinstance(ENV_VARS_TO_PROPAGATE, set) and all(isinstance(name, str) for name in ENV_VARS_TO_PROPAGATE)
    assert isinstance(DEFAULT_ENV_VARS, dict)


@pytest.mark.parametrize(("here", "left"), [(True, set()), (False, {"RAY_CHDIR_TO_TRIAL_DIR"})])
def test_workers_of_an_own_cluster_get_no_variables_and_others_no_credentials(monkeypatch, here, left):
    monkeypatch.setattr(tune_runner, "started_here", lambda: here)
    before = dict(DEFAULT_ENV_VARS), set(ENV_VARS_TO_PROPAGATE)
    with tune_runner._environment_of_workers():
        assert bool(DEFAULT_ENV_VARS) is not here
        assert ENV_VARS_TO_PROPAGATE & {"RAY_CHDIR_TO_TRIAL_DIR", "AWS_ACCESS_KEY_ID"} == left
    assert before == (DEFAULT_ENV_VARS, ENV_VARS_TO_PROPAGATE)


def test_without_tunes_private_attributes_tune_chooses_the_trial(monkeypatch):
    calls = SimpleNamespace(run_pending=lambda: None)
    controller = SimpleNamespace(gives_way=lambda: True, stopping=SimpleNamespace(is_set=lambda: False), calls=calls)
    register_controller("without", controller)
    chosen = tune.experiment.Trial.__new__(tune.experiment.Trial)
    monkeypatch.setattr(FIFOScheduler, "choose_trial_to_run", lambda *_: chosen)
    bare = SimpleNamespace(_tune_controller=SimpleNamespace())
    assert ControllerScheduler("without").choose_trial_to_run(bare) is chosen
    _end_cached_actors(bare)


def test_without_the_state_of_actors_no_node_is_excluded(monkeypatch):
    monkeypatch.delattr("ray._private.state.actors")
    error = SimpleNamespace(actor_init_failed=True, actor_id="gone")
    assert node_exclusion.mismatched_node(error, set()) is None


def test_without_the_resolver_ray_starts_on_the_address_it_chooses(monkeypatch):
    monkeypatch.delattr("ray._private.services.resolve_ip_for_localhost")
    with loopback.keep_loopback_address():
        assert not hasattr(ray._private.services, "resolve_ip_for_localhost")


def test_without_the_token_loader_the_environment_is_restored(monkeypatch):
    from orchestrator.cluster.auth_token import own_environment

    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.delattr("ray._raylet.AuthenticationTokenLoader")
    with own_environment():
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert os.environ["RAY_AUTH_MODE"] == "token"
