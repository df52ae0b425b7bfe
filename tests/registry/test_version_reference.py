import pytest

from orchestrator.registry.version_reference import VersionReference, parse_version


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text_hyper@champion", VersionReference("text_hyper", alias="champion")),
        ("models:/text_hyper@champion", VersionReference("text_hyper", alias="champion")),
        ("text_hyper/3", VersionReference("text_hyper", version="3")),
        ("models:/text_hyper/3", VersionReference("text_hyper", version="3")),
    ],
)
def test_parse_version_returns_the_registered_version(text, expected):
    assert parse_version(text) == expected
    assert str(expected) == text.removeprefix("models:/")


@pytest.mark.parametrize("text", ["made", "made/confirm-0003", "0" * 32, "./made/3", "text_hyper@", "text_hyper/3/4"])
def test_parse_version_returns_none_for_a_reference_of_another_form(text):
    assert parse_version(text) is None
