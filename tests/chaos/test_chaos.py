"""Sweeps under random faults. CHAOS_SEEDS says which, as 0:20; without it there is one (`make chaos` runs more)."""

import os

import pytest

from tests.chaos.story import run_story
from tests.chaos.world import Server, World
from tests.mlflow_database import copy_database
from tests.ratings import make_ratings

FIRST, LAST = map(int, os.environ.get("CHAOS_SEEDS", "0:1").split(":"))

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def setup(module_folder, mlflow_database):
    """A folder, its data set, and a server that the sweeps share."""
    copy_database(mlflow_database, module_folder)
    server = Server(module_folder)
    server.start()
    yield module_folder, make_ratings(module_folder), server
    server.stop()


@pytest.mark.parametrize("seed", range(FIRST, LAST))
def test_sweep_under_faults_loses_nothing(setup, seed, record_property):
    folder, ratings, server = setup
    server.start()
    story = run_story(World(folder / f"world-{seed}", ratings, server, f"sweep-{seed}"), seed)
    assert story.compared > 100 and story.faults
    for name, value in vars(story).items():
        record_property(name, value)
    print(f"seed {seed}: {story.drivers} drivers, {'; '.join(story.faults)}; {story.compared} figures agree")
