"""Durability of the journal: its syncs to disk."""

import os

from orchestrator.search import journal_storage as journal_module
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from tests.search.small_ledger import SPACE


def test_a_configuration_an_epoch_and_an_outcome_are_synced_to_disk(tmp_path, monkeypatch):
    ledger = Ledger(open_journal(tmp_path / "journal"), "search", SPACE)
    synced, fsync = [], os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(journal_module.os, "fsync", record)
    number = ledger.ask().number
    assert synced == [(tmp_path / "journal").stat().st_size], "the whole configuration is on disk when it is given out"
    ledger.set_attributes(number, failures=[])
    assert len(synced) == 1
    ledger.report(number, 1, 0.5)
    ledger.finish(number, Outcome.COMPLETE, final={})
    assert len(synced) == 3 and synced[-1] == (tmp_path / "journal").stat().st_size
