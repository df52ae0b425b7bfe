"""The Ray session, with Ray's own start replaced."""

import os

import pytest
import ray

from orchestrator.cluster.session import ray_session
from orchestrator.core.errors import InputError

LATE = Exception("The current node timed out during startup. This could happen because …")


@pytest.fixture
def starts(monkeypatch):
    """Record the arguments of `ray.init`; `wrong` is raised first."""

    class Starts(list):
        wrong = ()

    made = Starts()

    def init(**options):
        made.append(options)
        if len(made) <= len(made.wrong):
            raise made.wrong[len(made) - 1]

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 4.0}}])
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return made


def test_without_an_address_a_cluster_of_its_own_is_started_whatever_runs_here(starts):
    with ray_session(None, 2, 0) as slots:
        assert slots == 2
    assert [options["address"] for options in starts] == ["local"]


def test_the_environment_names_a_cluster_too(starts, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with ray_session(None, 1, 0):
        pass
    assert [options["address"] for options in starts] == ["auto"]


def test_the_token_of_a_cluster_is_presented_no_longer_than_the_session(starts, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("a", encoding="utf-8")
    with ray_session("auto", 1, 0):
        assert os.environ["RAY_AUTH_MODE"] == "token"
        assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / ".ray" / "auth_token")
    assert not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"} & set(os.environ)


def test_a_start_that_comes_too_late_is_tried_again(starts):
    starts.wrong = (LATE, LATE)
    with ray_session(None, 1, 0) as slots:
        assert slots == 4
    assert len(starts) == 3


@pytest.mark.parametrize("wrong", [(LATE,) * 3, (RuntimeError("no room in /dev/shm"),)])
def test_but_not_for_ever_and_not_whatever_went_wrong(starts, wrong):
    starts.wrong = wrong
    with pytest.raises(Exception, match=str(wrong[-1])[:20]), ray_session(None, 1, 0):
        pass
    assert len(starts) == len(wrong)


def test_more_than_there_is(starts):
    told = "asks for 1 CPUs and 2 GPUs; the cluster's largest node has 4 CPUs and 0 GPUs"
    with pytest.raises(InputError, match=told), ray_session(None, 1, 2):
        pass
