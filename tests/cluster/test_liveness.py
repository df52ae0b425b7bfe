"""Liveness probe with a virtual clock and a real socket."""

import socket

import pytest

from orchestrator.cluster.liveness import LivenessProbe

PARTS = {"head": ("10.0.0.1", 6379), "raylet": ("10.0.0.2", 7000)}


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ray():
    """A world with parts that go away, the losses reported, and a probe that waits two seconds."""

    class World:
        away: set[tuple[str, int]] = set()
        told: list[str] = []
        clock = Time()

        def at(self, now: float, *away: str) -> bool:
            self.clock.now, self.away = now, {PARTS[part] for part in away}
            return self.line.probe()

    world = World()
    world.told = []
    world.line = LivenessProbe(PARTS, 2.0, world.told.append, lambda address: address not in world.away, world.clock)
    return world


def test_lost_part_is_reported_by_name(ray):
    assert not ray.at(0) and not ray.at(1, "raylet") and not ray.at(2, "raylet")
    assert ray.at(3, "raylet")
    assert ray.told == ["Ray's raylet at 10.0.0.2:7000 is gone: it was killed, or its machine is."]


def test_one_that_comes_back_is_not_gone(ray):
    assert not ray.at(0, "head") and not ray.at(1) and not ray.at(2.5, "head") and not ray.at(4, "head")
    assert ray.told == []


def test_closed_probe_reports_nothing(ray):
    with ray.line:
        pass
    assert not ray.at(0, "head", "raylet") and not ray.at(9, "head", "raylet") and ray.told == []


def test_a_listening_socket_is_there_and_a_closed_one_is_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        told: list[str] = []
        line = LivenessProbe({"head": server.getsockname()}, 0.0, told.append)
        assert not line.probe() and told == []
    assert line.probe() and len(told) == 1
