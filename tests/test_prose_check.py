"""The three rules of `.ci/check_prose.py`, and what they let pass."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "check_prose.py"

# A docstring before and after the rules, its kind, and what the first breaks.
REWRITTEN = [
    (
        "noun",
        "The last word of a sweep that stops: how to go on; and an end at once where a clean one is not to be waited "
        "for.",
        "Print how to resume a stopped sweep; exit immediately if a clean shutdown would take too long.",
        {"words", "length"},
    ),
    (
        "noun",
        "Taking from given parameters what a space has room for, its defaults for the rest.",
        "Clamp parameters to a search space: keep the values it allows, use its defaults for the rest.",
        {"heads"},
    ),
    (
        "noun",
        "Since when nothing was heard of a job, of which start of its worker, and of which before it was handed out.",
        "A watched job: time of its last sign of life, and the tokens of its current and previous worker.",
        {"heads"},
    ),
    (
        "function",
        "The first in line that has no process yet; None, and their end, once the sweep stops.",
        "Return the first waiting trial without an actor. Once the sweep is stopping, cancel the waiting trials and "
        "return None.",
        {"heads"},
    ),
    (
        "function",
        "Whether jobs fit on another host that is not left out. This one is never: what it lacks, the sweep lacks.",
        "Return whether the sweep can exclude `host`: another node must have room for a job. The driver's own node "
        "cannot be excluded.",
        {"heads", "words"},
    ),
    (
        "noun",
        "What a saved model's files come to, in one hash: a registered version says it, and whoever loads it compares.",
        "SHA-256 of a saved model's folder; stored with the registered version, checked on load.",
        {"heads", "words"},
    ),
    (
        "noun",
        "Who holds the alias now, brought to the images that the candidate is judged on.",
        "The current champion, with scores on the candidate's test images.",
        {"heads"},
    ),
    (
        "noun",
        "what a sweep does not need, or leaves by its `--concurrency`, is the others'. Who is alone has all of it.",
        "Slots a sweep does not use, or gives up with `--concurrency`, go to the others. A sweep that runs alone gets "
        "all of them.",
        {"heads", "words"},
    ),
]


@pytest.fixture(scope="module")
def prose() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("check_prose", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_prose"] = module  # annotations of a NamedTuple are looked up there
    spec.loader.exec_module(module)
    return module


def broken(prose: ModuleType, kind: str, text: str) -> set[str]:
    """Return the rules that a docstring breaks."""
    rules = {"heads"} if prose.check_head(kind, text) else set()
    rules |= {"words"} if list(prose.check_words(1, text)) else set()
    return rules | ({"length"} if list(prose.check_length(1, text)) else set())


@pytest.mark.parametrize(("kind", "before", "after", "rules"), REWRITTEN)
def test_rewritten_docstrings_pass_and_their_originals_do_not(prose, kind, before, after, rules):
    assert broken(prose, kind, before) == rules
    assert broken(prose, kind, after) == set()


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("function", "Writes the report.", "write 'Write'"),
        ("function", "Copies a file.", "write 'Copy'"),
        ("function", "Tags of a run.", "write 'Return …'"),
        ("function", "Name of the study.", "write 'Return …'"),
        ("function", "The names, sorted.", "write 'Return …'"),
        ("function", "`embedding` of a prompt.", "write 'Return …'"),
        ("function", "Whether a host answers.", "'Return whether …'"),
        ("noun", "Scores the images of a batch.", "write 'Score'"),
        ("noun", "Watches hosts.", "write 'Watch'"),
        ("noun", "Moving an alias.", "imperative or a noun"),
        ("noun", "In seconds, at most an hour.", "a verb or a named thing"),
        ("noun", "The same for a cluster.", "a verb or a named thing"),
        ("test", "It resumes.", "a verb or a named thing"),
    ],
)
def test_bad_heads(prose, kind, text, message):
    assert message in prose.check_head(kind, text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("function", "Return the names, sorted."),
        ("function", "Score images (B, 3, H, W)."),
        ("noun", "Scores of an image."),
        ("noun", "A registered loss."),
        ("noun", "Trial states."),
        ("noun", "Training settings."),
        ("noun", "In-memory storage."),
        ("noun", "`python -m orchestrator.sync`: upload the spool."),
        ("noun", "Write the report."),
        ("test", "Scores stay between the worst and the best label."),
    ],
)
def test_good_heads(prose, kind, text):
    assert prose.check_head(kind, text) is None


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("The sweep goes\non without it.", "goes on"),
        ("Left out of the split.", "Left out"),
        ("A path that is no folder.", "is no"),
        ("None where there is none.", "where there is none"),
        ("The space less the control's keys.", "less the"),
        ("The desk hands out jobs.", "desk"),
        ("Every watcher is told.", "told"),
        ("The presence of another sweep, and the presence that it writes.", "the presence"),
    ],
)
def test_banned_phrases(prose, text, phrase):
    ((_, message),) = prose.check_words(1, text)
    assert message.startswith(f"{phrase!r} is banned")


@pytest.mark.parametrize(
    "text",
    [
        "`study.tell` ends a trial.",
        "The ask-and-tell interface.",
        "The trial is no longer running.",
        "There is no champion yet.",
        "No evidence that the prompt matters.",
        "The presence of a GPU.",
        "Its score is no worse than ridge's.",
        "Desktop, outdoors, recommended, amended.",
        "```sh\nwarden --door\n```",
        "[records](books/told.md)",
    ],
)
def test_what_only_looks_like_a_banned_phrase(prose, text):
    assert list(prose.check_words(1, text)) == []


def words(count: int) -> str:
    """Return a sentence of that many words."""
    return "Return " + " ".join(["word"] * (count - 1)) + "."


def test_a_sentence_has_at_most_25_words(prose):
    assert list(prose.check_length(1, f"{words(25)} {words(25)}")) == []
    ((line, message),) = prose.check_length(7, f"{words(5)}\n\n    {words(3)}\n    {words(26)}")
    assert line == 10 and message.startswith("sentence of 26 words")


def test_a_sentence_has_one_colon_or_semicolon(prose):
    assert list(prose.check_length(1, "Draw it: once. Draw it; again.")) == []
    ((_, message),) = prose.check_length(1, "Draw it: once; twice.")
    assert message.startswith("sentence with 2 colons")


@pytest.mark.parametrize(
    "text",
    [
        f"{words(20)}\n\nArgs:\n    first: {words(20)}\n    second: {words(20)}\n\nReturns:\n    {words(20)}",
        "Raises:\n    InputError: the port is taken; take another.\n    OSError: the disk is full; nothing is written.",
        f"Rules:\n- {words(20)[:-1]}\n- {words(20)[:-1]}\n1. {words(20)[:-1]}",
        "Return a ratio of 3:1 at HOST:PORT from http://host: one of csv:FILE or a::b.",
        "Return `a: b; c: d` as ``e: f``: done.",
        f"{words(10)[:-1]}, e.g. (B, C, H, W), {words(13)}",
        f"Run it.\n\n>>> {{1: 2, 3: 4}}; {words(30)}\n{{1: 2, 3: 4}}\n",
    ],
)
def test_labels_lists_code_shapes_and_examples_are_not_counted(prose, text):
    assert list(prose.check_length(1, text)) == []


def test_an_abbreviation_ends_no_sentence(prose):
    ((_, message),) = prose.check_length(1, f"{words(13)[:-1]}, e.g. {words(13)}")
    assert message.startswith("sentence of 27 words")


def test_docstrings_and_their_kinds(prose):
    source = '''"""Module."""
LIMIT = 3
"""Attribute."""
"""Not a docstring."""
class A:
    """Class."""
    x: int
    """Field."""
    @property
    def p(self):
        """Property."""
        def inner():
            """Nested."""
async def run():
    """Function."""
if LIMIT:
    def test_it():
        """Test."""
'''
    found = [(kind, line, text) for kind, line, text in prose.docstrings(ast.parse(source))]
    assert found == [
        ("noun", 1, "Module."),
        ("noun", 3, "Attribute."),
        ("noun", 6, "Class."),
        ("noun", 8, "Field."),
        ("noun", 11, "Property."),
        ("function", 13, "Nested."),
        ("function", 15, "Function."),
        ("test", 18, "Test."),
    ]


def lines(found: list) -> list[tuple[int, str]]:
    """Return line and rule of each finding."""
    return sorted((finding.line, finding.rule) for finding in found)


def test_comments_messages_and_test_names_are_read_as_prose(prose):
    source = """# The sweep goes
# on, says the desk.
told = {"told": "#door"}  # identifiers and keys are not prose
print(f"{told} was left "
      "out of it")
def test_is_told(): ...
"""
    found, documented = prose.check_python("orchestrator/made.py", source)
    assert lines(found) == [(1, "words"), (2, "words"), (4, "words"), (6, "words")] and documented == 0
    found, _ = prose.check_python("tests/made.py", source)
    assert lines(found) == [(1, "words"), (2, "words"), (6, "words")]


def test_of_a_changelog_only_unreleased_changes_are_checked(prose):
    text = "# Changelog\n\n## [Unreleased]\n- goes on\n\n## [1.0]\n- goes on\n"
    assert lines(prose.check_markdown("CHANGELOG.md", text)) == [(4, "words")]
    assert lines(prose.check_markdown("docs/sweeps.md", text)) == [(4, "words"), (7, "words")]


def test_findings_counts_and_exit_code(prose, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "orchestrator" / "core" / "made.py"
    made.parent.mkdir(parents=True)
    made.write_text('"""What is kept."""\n', encoding="utf-8")
    (tmp_path / "clean.md").write_text("Nothing to report.\n", encoding="utf-8")

    monkeypatch.setattr(sys, "argv", ["check_prose.py", "orchestrator", "clean.md"])
    assert prose.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "orchestrator/core/made.py:1: begins with 'What'; begin with a verb or a named thing",
        "heads 1, words 0, length 0 in 1 docstrings",
    ]
    monkeypatch.setattr(sys, "argv", ["check_prose.py", "--count", str(made)])
    assert prose.main() == 1
    assert capsys.readouterr().out.splitlines()[1].split() == ["orchestrator/core", "1", "0", "0", "1"]
    monkeypatch.setattr(sys, "argv", ["check_prose.py", "clean.md"])
    assert prose.main() == 0


def test_the_check_and_its_tests_pass_the_check(prose):
    for path in (SCRIPT, Path(__file__)):
        found, documented = prose.check_python(f"tests/{path.name}", path.read_text(encoding="utf-8"))
        assert found == [] and documented > 3
