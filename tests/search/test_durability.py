"""How often the journal waits for the disk."""

import os

from orchestrator.search import journal_storage as journal_module
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from tests.search.small_ledger import SPACE


def test_it_waits_for_the_disk_at_a_configuration_an_epoch_and_an_outcome(tmp_path, monkeypatch):
    ledger = Ledger(open_journal(tmp_path / "journal"), "search", SPACE)
    synced, fsync = [], os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(journal_module.os, "fsync", noting)
    number = ledger.ask().number
    assert synced == [(tmp_path / "journal").stat().st_size], "the whole configuration is on disk when it is given out"
    ledger.set_attributes(number, failures=[])
    assert len(synced) == 1
    ledger.report(number, 1, 0.5)
    ledger.finish(number, Outcome.COMPLETE, final={})
    assert len(synced) == 3 and synced[-1] == (tmp_path / "journal").stat().st_size
