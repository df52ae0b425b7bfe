"""Names of scores that people's tables have, in MLflow and in tables of results."""

import pytest
from mlflow.utils.validation import path_not_unique, validate_param_and_metric_name

from orchestrator.core.errors import InputError
from orchestrator.core.mlflow_names import mlflow_name
from orchestrator.execution.check_score_names import check_score_names, renamed_in_mlflow

TYPED = ["quality", "Qualität", "overall quality", "50 %", "a/b", "../x", "#1", "質", "x" * 400, "a:b", "q(0-5)", ""]


@pytest.mark.parametrize("name", TYPED)
def test_any_name_becomes_one_that_mlflow_takes(name):
    key = mlflow_name(f"val_srcc_{name}")
    assert validate_param_and_metric_name(key) and not path_not_unique(key) and len(key) <= 250


def test_names_that_mlflow_takes_stay_and_others_are_reported():
    assert renamed_in_mlflow(["quality", "Qualität", "overall quality"]) == []
    assert renamed_in_mlflow(["50 %"]) == [], "a single score has no metrics of its own"
    (sentence,) = renamed_in_mlflow(["quality", "50 %"])
    assert sentence.startswith("MLflow shows the score '50 %' as 50 _: its names have letters, digits")


@pytest.mark.parametrize("targets", [("quality", "alignment"), ("50 %",), ("50 %", "q"), ("x" * 200, "y" * 200)])
def test_scores_with_distinct_names_are_accepted(targets):
    check_score_names(targets)


@pytest.mark.parametrize(
    "targets, named",
    [
        (("a%", "a#"), "'a#' and the score 'a%' under one name"),
        (("x" * 300, "x" * 301), "under one name"),
        (("quality", "within_generator"), "'within_generator' and the metric srcc_within_generator"),
        (("x", "fitted_x"), "'fitted_x' and the score 'x'"),
        (("part",), "'part' has the name of a column of the results"),
        (("quality", "predicted_quality"), "'predicted_quality' has the name of a column"),
    ],
)
def test_scores_that_share_a_name_are_refused(targets, named):
    with pytest.raises(InputError, match=named):
        check_score_names(targets)
