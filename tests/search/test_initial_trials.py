"""First configurations of a search: files of three kinds, earlier sweeps, the default."""

import json
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.initial_trials import WARM_TRIALS, InitialTrials, choose_initial_trials, read_enqueued
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import SearchSpace


def space(**changes):
    lr = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True, "default": 1e-3}
    widths = {"type": "widths", "min_depth": 1, "max_depth": 2, "low": 8, "high": 32, "default": [16]}
    rank = {"type": "int", "low": 1, "high": 4, "default": 2}
    loss = {"type": "categorical", "choices": ["huber", "mse"], "default": "huber"}
    training = {"lr": lr, "loss": loss, **changes}
    return SearchSpace.model_validate({"model": {"widths": widths}, "hypernet": {"rank": rank}, "training": training})


SPACE = space()
DEFAULT = {"depth": 1, "width_1": 16, "rank": 2, "lr": 1e-3, "loss": "huber"}


class TestEnqueue:
    @pytest.mark.parametrize(
        "name, text",
        [
            ("a.yaml", "- {lr: 2e-3, loss: mse}\n- {depth: 2, width_2: 8}\n"),
            ("a.json", json.dumps([{"lr": 2e-3, "loss": "mse"}, {"depth": 2, "width_2": 8}])),
            ("a.csv", "lr,loss,depth,width_2\n2e-3,mse,,\n,,2,8\n"),
        ],
    )
    def test_yaml_json_and_csv_files_are_read(self, tmp_path, name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = read_enqueued(tmp_path / name, SPACE)
        assert found == ({**DEFAULT, "lr": 2e-3, "loss": "mse"}, {**DEFAULT, "depth": 2, "width_2": 8})
        assert [type(value) for value in found[1].values()] == [int, int, int, int, float, str]

    @pytest.mark.parametrize(
        "name, text, named",
        [
            ("a.yaml", "- {wings: 2}\n", ["configuration 0", "wings", "it searches"]),
            ("a.yaml", "- {}\n- {lr: 7.0}\n", ["configuration 1", "lr", "7.0"]),
            ("a.yaml", "- {loss: score}\n", ["loss"]),
            ("a.yaml", "- {depth: 1.5}\n", ["depth"]),
            ("a.yaml", "- {depth: 2}\n", ["width_2"]),
            ("a.yaml", "- {width_2: 8}\n", ["width_2", "does not use"]),
            ("a.yaml", "- {lr: [1]}\n", ["lr"]),
            ("a.yaml", "- {lr: .nan}\n", ["lr"]),
            ("a.yaml", "lr: 1\n", ["list of mappings"]),
            ("a.yaml", "a: [", ["cannot be read"]),
            ("a.json", "[{", ["cannot be read"]),
            ("a.csv", "lr,speed\n0.002,1\n", ["speed"]),
            ("a.csv", "lr\nfast\n", ["lr", "fast"]),
            ("a.csv", "lr\n0.002,0.003\n", ["a.csv"]),
        ],
    )
    def test_a_wrong_configuration_is_reported_in_one_sentence(self, tmp_path, name, text, named):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_enqueued(tmp_path / name, SPACE)
        message = str(caught.value)
        assert all(word in message for word in [f"--enqueue {tmp_path / name}", *named]) and "\n" not in message

    def test_a_missing_option_adds_no_configuration(self):
        assert read_enqueued(None, SPACE) == ()


def earlier(folder: Path, search, control=(), variant="text_hyper") -> str:
    """Create a sweep with these (params, objective, outcome) in its ledger; return its folder."""
    workspace = Workspace(folder)
    workspace.root.mkdir(parents=True)
    SweepSpec(name=folder.name, variant=variant).save(workspace.spec)
    storage = open_journal(workspace.ledger)
    for study, trials in (("search", search), ("control", control)):
        ledger = Ledger(storage, study, SPACE if study == "search" else SPACE.without_hypernet())
        for params, objective, outcome in trials:
            ledger.enqueue(params)
            number = ledger.ask().number
            ledger.report(number, 1, objective)
            ledger.finish(number, outcome)
    return str(folder)


def params(lr, **more):
    return {**DEFAULT, "lr": lr, **more}


def bare(lr):
    return {key: value for key, value in params(lr).items() if key != "rank"}


class TestWarmStart:
    def test_the_best_of_each_study_come_before_the_default(self, tmp_path):
        found = [(params(n * 1e-3), n / 10, Outcome.COMPLETE) for n in range(2, 9)]
        found += [(params(9e-3), 0.99, Outcome.FAILED)]
        folder = earlier(tmp_path / "before", found, [(bare(4e-3), 0.4, Outcome.COMPLETE)])
        first, notes = choose_initial_trials("text_hyper", SPACE, SPACE.without_hypernet(), [params(1e-4)], [folder])
        best = [params(n * 1e-3) for n in (8, 7, 6, 5, 4)]
        assert len(best) == WARM_TRIALS
        assert first.search == (params(1e-4), *best, DEFAULT)
        assert first.control == (bare(1e-4), bare(4e-3), bare(1e-3)) and notes == []

    def test_no_configuration_is_tried_twice(self, tmp_path):
        one = earlier(tmp_path / "one", [(params(2e-3), 0.5, Outcome.COMPLETE), (params(1e-3), 0.4, Outcome.PRUNED)])
        two = earlier(tmp_path / "two", [(params(2e-3), 0.6, Outcome.COMPLETE)])
        first, _ = choose_initial_trials("text_hyper", SPACE, None, [], [one, two])
        assert first.search == (params(2e-3), DEFAULT) and first.control == ()

    def test_values_outside_the_space_are_replaced_and_counted(self, tmp_path):
        folder = earlier(tmp_path / "before", [(params(9e-3, depth=2, width_2=8, loss="mse"), 0.5, Outcome.COMPLETE)])
        lr = {"type": "float", "low": 1e-5, "high": 2e-3, "default": 1e-4}
        first, notes = choose_initial_trials("text_hyper", space(lr=lr, loss="huber"), None, [], [folder])
        assert first.search[0] == {"depth": 2, "width_1": 16, "width_2": 8, "rank": 2, "lr": 1e-4}
        assert len(notes) == 1 and notes[0].startswith("2 values") and "before" in notes[0]

    def test_an_earlier_sweep_that_is_being_written_is_only_read(self, tmp_path):
        folder = earlier(tmp_path / "before", [(params(2e-3), 0.5, Outcome.COMPLETE)])
        journal = Path(folder) / "ledger.journal"
        with journal.open("ab") as file:
            file.write(b'{"op_code":4,"half a li')
        Path(f"{journal}.lock").touch()
        before = journal.read_bytes()
        choose_initial_trials("text_hyper", SPACE, None, [], [folder])
        assert journal.read_bytes() == before and Path(f"{journal}.lock").exists()

    def test_a_sweep_of_another_variant_or_without_a_best_trial_is_refused(self, tmp_path):
        other = earlier(tmp_path / "other", [(params(2e-3), 0.5, Outcome.COMPLETE)], variant="image_hyper")
        with pytest.raises(InputError, match="searched image_hyper, not text_hyper"):
            choose_initial_trials("text_hyper", SPACE, None, [], [other])
        empty = earlier(tmp_path / "empty", [(params(2e-3), 0.5, Outcome.FAILED)])
        with pytest.raises(InputError, match="none of its trials"):
            choose_initial_trials("text_hyper", SPACE, None, [], [empty])

    def test_a_damaged_ledger_is_reported_in_one_sentence(self, tmp_path):
        folder = earlier(tmp_path / "before", [(params(2e-3), 0.5, Outcome.COMPLETE)])
        journal = Path(folder) / "ledger.journal"
        journal.write_bytes(b"{broken\n" + journal.read_bytes())
        with pytest.raises(InputError, match=r"ledger.journal cannot be read") as caught:
            choose_initial_trials("text_hyper", SPACE, None, [], [folder])
        assert "\n" not in str(caught.value)


def test_saved_configurations_are_read_back(tmp_path):
    first = InitialTrials((params(2e-3), DEFAULT), (bare(1e-3),))
    first.save(tmp_path / "first.json")
    assert InitialTrials.load(tmp_path / "first.json") == first


def test_a_search_starts_with_the_default_without_other_configurations():
    first, notes = choose_initial_trials("text_hyper", SPACE, SPACE.without_hypernet(), [], [])
    assert (first.search, first.control, notes) == ((DEFAULT,), (bare(1e-3),), [])
