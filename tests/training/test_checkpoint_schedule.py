from orchestrator.training.checkpoint_schedule import CheckpointSchedule


def save_times(epoch: float, cost: float, epochs: int, seconds: float = 1.0) -> list[float]:
    """Return the times at which a training with epochs of `epoch` seconds is saved, with checkpoints of `cost`."""
    now = [0.0]
    schedule, saved = CheckpointSchedule(seconds, clock=lambda: now[0]), []
    for number in range(1, epochs + 1):
        now[0] += epoch
        if schedule.is_due(number == epochs):
            saved.append(now[0])
            now[0] += cost
            schedule.saved()
    return saved


def test_short_epochs_share_a_checkpoint_a_second():
    saved = save_times(epoch=0.09, cost=0.03, epochs=100)
    gaps = [later - earlier for earlier, later in zip([0.0, *saved], saved, strict=False)]
    assert max(gaps) <= 1 + 0.09 + 0.03 + 1e-9
    assert len(saved) * 0.03 < 0.05 * 100 * 0.09


def test_long_epochs_have_a_checkpoint_each():
    assert len(save_times(epoch=1.2, cost=0.05, epochs=7)) == 7


def test_the_end_is_saved():
    assert len(save_times(epoch=0.01, cost=0.01, epochs=15)) == 1


def test_without_a_time_each_epoch_is_saved():
    assert len(save_times(epoch=0.01, cost=0.01, epochs=15, seconds=0.0)) == 15
