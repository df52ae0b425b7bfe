"""The ledger's time for a trial of five epochs, against how many trials it knows."""

import random
import tempfile
import time
from pathlib import Path

from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import load_space


def main() -> None:
    for sampler in ("random", "tpe"):
        with tempfile.TemporaryDirectory() as folder:
            storage = open_journal(Path(folder) / "ledger.journal")
            ledger = Ledger(storage, "search", load_space("text_hyper"))
            ledger.set_sampler_and_pruner(build_sampler(sampler, 0), build_pruner("none", 5))
            done = 0
            for mark in (20, 100, 300):
                began, start = time.perf_counter(), done
                while done < mark:
                    number = ledger.ask().number
                    for epoch in range(1, 6):
                        ledger.report(number, epoch, random.random())
                        ledger.should_prune(number)
                    ledger.finish(number, Outcome.COMPLETE)
                    done += 1
                each = 1000 * (time.perf_counter() - began) / (done - start)
                print(f"{sampler}: {each:.0f} ms a trial of 5 epochs, up to trial {mark}")
