"""Choice among sweeps by validation, on common ground only."""

from types import SimpleNamespace

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.sweep_folder import Workspace
from orchestrator.registry.promotion.candidate import candidate_of
from orchestrator.registry.promotion.choose_candidate import choose
from orchestrator.registry.promotion.compare import compare
from orchestrator.registry.promotion.compared_model import ComparedModel
from tests.registry.promotion.made import MadeSweepResults, predictions, run


class Confirmed(MadeSweepResults):
    """A sweep with one configuration, confirmed on the splits of `validation`: number → validation SRCC."""

    def __init__(self, name, validation, table=None, targets=("alignment",), data_hash="d" * 64, **more):
        table = predictions(0.5) if table is None else table
        super().__init__(table, splits=len(validation), **more)
        self.name, self.targets, self.data_hash, self.workspace = name, targets, data_hash, None
        self._runs = [
            run(f"{name}-{split}", split, "trial-0000", best_val_srcc=value) for split, value in validation.items()
        ]
        self._own = {one.info.run_id: table for one in self._runs}


def chosen(*sweeps, **more):
    return choose(iter(sweeps), "srcc", **more).candidate


@pytest.mark.parametrize("protocol", ["paper", "slots", "random"])
def test_choose_excludes_protocols_whose_validation_uses_test_images_and_says_so(protocol):
    best, other = Confirmed("best", {1: 0.6, 2: 0.6}), Confirmed("other", {1: 0.5, 2: 0.5})
    optimistic = Confirmed("optimistic", {1: 0.9, 2: 0.9}, protocol=protocol)
    choice = choose([optimistic, other, best], "srcc")
    assert choice.candidate.results is best
    assert choice.excluded == (f"Not compared: optimistic (protocol {protocol}, not disjoint).",)


def test_choose_returns_an_optimistic_sweep_if_there_is_no_other():
    best = Confirmed("best", {1: 0.9, 2: 0.9}, protocol="paper")
    assert chosen(Confirmed("other", {1: 0.5, 2: 0.5}, protocol="paper"), best).results is best
    assert choose([], "srcc") is None


def test_choose_compares_only_over_the_splits_that_all_have():
    easy = Confirmed("easy", {1: 0.70, 2: 0.72}, predictions(0.9, 3))
    long = Confirmed("long", {1: 0.74, 2: 0.75, 3: 0.55, 4: 0.56, 5: 0.57}, predictions(0.6, 4))
    found = chosen(easy, long)
    assert found.results is long and found.validation == 0.57
    sentence = "Chosen by validation SRCC over the 2 splits that all have: long 0.7450; easy 0.7100."
    assert found.compared == sentence
    first, second = (
        ComparedModel(one.name, one.predictions(run), candidate_of(one, run, "srcc"))
        for one, run in ((one, one.configurations()["trial-0001"][0]) for one in (long, easy))
    )
    compared = compare(first, second)
    assert compared.targets[0].differences["srcc"].low > 0 and compared.validation.values == (0.745, 0.71)


def test_choose_compares_on_rows_outside_every_training_part_if_one_split_is_in_common():
    first = Confirmed("first", {1: 0.9}, predictions(1.5, 3))
    second = Confirmed("second", {1: 0.5, 2: 0.5, 3: 0.5}, predictions(0.5, 4))
    found = chosen(first, second)
    assert found.results is second
    assert "on the 240 images of 60 prompts that none was trained or tested on" in found.compared


def few_prompts(table):
    return table[(table["part"] == "test") | (table["prompt_id"] < 19)]


@pytest.mark.parametrize("splits", [{1: 0.9}, {7: 0.9}])
def test_choose_refuses_without_common_ground_and_names_the_command(splits, tmp_path):
    first = Confirmed("first", splits, few_prompts(predictions(1.5, 3)))
    second = Confirmed("second", {1: 0.5, 2: 0.5, 3: 0.5}, predictions(0.5, 4))
    with pytest.raises(InputError, match="first and second have . splits? in common.*--sweep") as raised:
        choose([first, second], "srcc")
    assert str(raised.value).endswith(": python -m orchestrator.resume first --splits 3")
    first.workspace = Workspace(tmp_path / "first")
    with pytest.raises(InputError, match=f"resume first --out {tmp_path} --splits 3$"):
        choose([first, second], "srcc")


@pytest.mark.parametrize(
    ("difference", "reason"),
    [
        ({"data_hash": "e" * 64}, "other data: hash eeeeeeee, not dddddddd"),
        ({"targets": ("quality",)}, "learned quality, not alignment"),
    ],
)
def test_choose_excludes_other_data_or_targets_than_the_newest_sweep_has_and_says_so(difference, reason):
    newest, other = Confirmed("newest", {1: 0.5, 2: 0.5}), Confirmed("other", {1: 0.9, 2: 0.9}, **difference)
    choice = choose([newest, other], "srcc")
    assert choice.candidate.results is newest and choice.excluded == (f"Not compared: other ({reason}).",)


def test_choose_passes_over_a_sweep_whose_confirm_runs_are_missing():
    best = Confirmed("best", {1: 0.5, 2: 0.5})
    assert chosen(Confirmed("unconfirmed", {}), best).results is best


def test_choose_returns_the_best_control_if_the_control_is_wanted():
    results = MadeSweepResults(predictions(0.5), control=predictions(0.6))
    results.sweep = SimpleNamespace()
    assert chosen(results, study="control").variant == "plain_head"


def test_choose_names_the_best_three_of_the_others():
    sweeps = [Confirmed(f"sweep-{number}", {1: number / 10, 2: number / 10}) for number in range(1, 7)]
    assert chosen(*sweeps).compared.endswith(
        "sweep-6 0.6000; sweep-5 0.5000, sweep-4 0.4000, sweep-3 0.3000 and 2 more."
    )
