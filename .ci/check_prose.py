"""Check the prose of docstrings, comments, messages and Markdown by three rules; word lists are in prose.toml.

- heads: a docstring begins with a concrete subject, that of a function or method with an imperative verb.
- words: no banned phrase in docstrings, comments, messages, test names and Markdown, outside code spans.
- length: a docstring sentence has at most 25 words and one colon or semicolon.

Run `check_prose.py [--count] [PATH ...]` in the repository's root; the exit code is 1 if anything is found.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import re
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

FOLDERS = ["orchestrator", "models", "search_spaces", "benchmarks", "docker", "docs", "tests", ".ci"]
PAGES = ["README.md", "CHANGELOG.md"]
WITHOUT_MESSAGES = ("tests/", ".ci/")  # string literals there quote the product or hold code
RULES = ("heads", "words", "length")
MAX_WORDS = 25  # in a sentence

LISTS = tomllib.loads(Path(__file__).with_name("prose.toml").read_text(encoding="utf-8"))
HEADS = {name: set(words.split() if isinstance(words, str) else words) for name, words in LISTS["heads"].items()}
BANNED: dict[str, str] = LISTS["banned"]
ANY_BANNED = re.compile(rf"\b(?:{'|'.join(f'({p})' for p in BANNED)})\b".replace(" ", r"\s+"), re.IGNORECASE)

CODE = re.compile(r"^ *```.*?^ *```|(?<!`)(`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)\1(?!`)", re.DOTALL | re.MULTILINE)
MARKUP = re.compile(r"<!--.*?-->|<[^<>]+>|\]\([^)]*\)|\w+://\S+", re.DOTALL)
SHAPE = re.compile(r"\([\w*]+(?:, [\w*]+)+,?\)")
SECTION = re.compile(r"(Args|Arguments|Attributes|Examples?|Notes?|Raises|References|Returns|Warns|Yields):")
BULLET = re.compile(r"[-*•] |\d+[.)] ")
LABEL = re.compile(r"[*`\w][^:;]{0,60}: ")
ABBREVIATION = re.compile(r"\b(e\.g|i\.e|etc|cf|vs|al|Figs?|Eqs?|Sec|pp?|approx)\.")
SENTENCE = re.compile(r"\S.*?(?:[.!?][\"')\]]*(?=\s|$)|$)")
SEAM = re.compile(r"[\"']?\s*\n[\s#]*(?:[frb]*[\"'])?")  # where a literal or a comment goes to the next line

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Finding(NamedTuple):
    """A broken rule and its place."""

    path: str
    line: int
    rule: str
    message: str


class Docstring(NamedTuple):
    """Text of a docstring, or of a string under an assignment, and the kind of object it documents."""

    kind: str  # "function", "test", or "noun": a class, module, property, fixture or attribute
    line: int
    text: str


def docstrings(node: ast.AST) -> Iterator[Docstring]:
    """Yield every docstring inside a node, and every string right under an assignment."""
    body: list[ast.stmt] = getattr(node, "body", []) if isinstance(node, ast.stmt | ast.Module) else []
    for index, statement in enumerate(body):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            text = statement.value.value
            if isinstance(text, str) and index == 0 and isinstance(node, Definition):
                yield Docstring(_kind(node), statement.lineno, text)
            elif isinstance(text, str) and isinstance(body[index - 1], ast.Assign | ast.AnnAssign):
                yield Docstring("noun", statement.lineno, text)
        yield from docstrings(statement)


def _kind(node: Definition) -> str:
    if isinstance(node, ast.Module | ast.ClassDef):
        return "noun"
    if any(re.search(r"property|fixture|composite", ast.unparse(decorator)) for decorator in node.decorator_list):
        return "noun"
    return "test" if node.name.startswith("test_") else "function"


def check_head(kind: str, text: str) -> str | None:
    """Return what is wrong with the beginning of a docstring, or None."""
    head, second, *_ = [word.strip(",.:;()") for word in [*text.split()[:2], "", ""]]
    word, second = head.lower(), second.lower()
    if word == "whether":
        return "begins with 'Whether'; begin with 'Return whether …' or 'True if …'"
    if word in HEADS["any"] or f"{word} {second}" in HEADS["pairs"]:
        return f"begins with {head!r}; begin with a verb or a named thing"
    base = _base(word)
    if base and kind != "test" and (second in HEADS["determiners"] or word not in HEADS["plurals"]):
        return f"begins with {head!r}; write {base.capitalize()!r}"
    if kind == "function" and (word not in HEADS["verbs"] or second == "of"):
        return f"begins with {head!r}, not with a verb; write 'Return …', or add the verb to .ci/prose.toml"
    if kind == "noun" and word.endswith("ing") and word not in HEADS["ing_nouns"]:
        return f"begins with {head!r}; write the imperative or a noun"
    return None


def _base(word: str) -> str | None:
    """Return the verb of a third person, or None."""
    endings = (("ies", "y"), ("es", ""), ("s", ""))
    stems = (word.removesuffix(end) + new for end, new in endings if word.endswith(end))
    return next((stem for stem in stems if stem in HEADS["verbs"]), None)


def check_length(line: int, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line of each sentence that is too long or has too many colons, with what is wrong."""
    plain = SHAPE.sub("shape", CODE.sub(lambda m: "code" + "\n" * m[0].count("\n"), text))
    for block in _blocks(line, plain):
        joined = ABBREVIATION.sub(lambda m: m[0].replace(".", "_"), " ".join(part for _, part in block))
        ends = list(accumulate(len(part) + 1 for _, part in block))
        for sentence in SENTENCE.finditer(joined):
            number = next(number for (number, _), end in zip(block, ends, strict=True) if sentence.start() < end)
            words = sum(bool(re.search(r"\w", word)) for word in sentence[0].split())
            colons = len(re.findall(r"[:;](?=\s|$)", sentence[0]))
            if words > MAX_WORDS:
                yield number, f"sentence of {words} words, at most {MAX_WORDS}: {sentence[0][:40]} …"
            if colons > 1:
                yield number, f"sentence with {colons} colons or semicolons, at most one: {sentence[0][:40]} …"


def _blocks(line: int, text: str) -> Iterator[list[tuple[int, str]]]:
    """Yield paragraphs, list items and section entries, without labels and examples, as numbered lines."""
    block: list[tuple[int, str]] = []
    section, example = -1, False
    for number, raw in enumerate(text.split("\n"), line):
        part = raw.strip()
        indent = len(raw) - len(raw.lstrip())
        example = bool(part) and (example or part.startswith(">>>"))
        heading = SECTION.fullmatch(part)
        if part and indent <= section:
            section = -1
        label = BULLET.match(part) or (section >= 0 and indent == section + 4 and LABEL.match(part))
        if not part or example or heading or label:
            yield block
            block = []
        if heading:
            section = indent
        elif part and not example:
            block.append((number, part[label.end() :] if label else part))
    yield block


def check_words(line: int, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line of each banned phrase outside code spans, with its replacement."""
    for pattern in (CODE, MARKUP):
        text = pattern.sub(lambda m: re.sub(r"[^\n]", "·", m[0]), text)
    for match in ANY_BANNED.finditer(text):
        phrase, replacement = " ".join(match[0].split()), list(BANNED.values())[(match.lastindex or 0) - 1]
        yield line + text.count("\n", 0, match.start()), f"{phrase!r} is banned; write {replacement}"


def _prose(path: str, source: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield comments, test names and, in the product, string literals with a space, docstrings included."""
    if ANY_BANNED.search("\n".join(re.findall("#(.*)", source))):  # tokenizing is slow
        yield from _comments(source)
    messages = not path.startswith(WITHOUT_MESSAGES)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")
        elif messages and isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    if not messages:
        yield from ((line, text) for _, line, text in docstrings(tree))


def _comments(source: str) -> list[tuple[int, str]]:
    """Return the comments, those on consecutive lines as one, each with its first line."""
    found: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("#! ")
            if found and found[-1][0] + found[-1][1].count("\n") + 1 == line:
                line, text = found[-1][0], f"{found.pop()[1]}\n{text}"
            found.append((line, text))
    return found


def check_python(path: str, source: str) -> tuple[list[Finding], int]:
    """Return the findings of a Python file and the number of its docstrings."""
    tree = ast.parse(source)
    documented = list(docstrings(tree))
    found = []
    for kind, line, text in documented:
        if message := check_head(kind, text):
            found.append(Finding(path, line, "heads", message))
        found += [Finding(path, at, "length", message) for at, message in check_length(line, text)]
    if ANY_BANNED.search(SEAM.sub(" ", source.replace("_", " "))):  # else nothing to locate
        for line, text in _prose(path, source, tree):
            found += [Finding(path, at, "words", message) for at, message in check_words(line, text)]
    return found, len(documented)


def check_markdown(path: str, text: str) -> list[Finding]:
    """Return the findings of a page, in a changelog those of unreleased changes alone."""
    if path.endswith("CHANGELOG.md"):
        before, heading, after = text.partition("## [Unreleased]")
        text = before + heading + after.partition("\n## ")[0]
    return [Finding(path, line, "words", message) for line, message in check_words(1, text)]


def _package(path: str) -> str:
    parts = Path(path).parts
    return "/".join(parts[:2]) if parts[0] == "orchestrator" and len(parts) > 2 else parts[0]


def main() -> int:
    """Print the findings, or with `--count` their number in each package; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", action="store_true", help="print only the counts of each package")
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; by default the whole repository")
    options = parser.parse_args()
    found: list[Finding] = []
    documented: Counter[str] = Counter()
    for top in options.paths or map(Path, FOLDERS + PAGES):
        for file in sorted(top.rglob("*.*")) if top.is_dir() else [top]:
            path = os.path.relpath(file)
            if file.suffix == ".md":
                found += check_markdown(path, file.read_text(encoding="utf-8"))
                documented[_package(path)] += 0
            elif file.suffix == ".py":
                more, count = check_python(path, file.read_text(encoding="utf-8"))
                found += more
                documented[_package(path)] += count
    if options.count:
        counts = Counter((_package(finding.path), finding.rule) for finding in found)
        print(f"{'package':28}" + "".join(f"{name:>12}" for name in (*RULES, "docstrings")))
        for name in sorted(documented):
            print(f"{name:28}" + "".join(f"{counts[name, rule]:12}" for rule in RULES) + f"{documented[name]:12}")
    else:
        for finding in sorted(found):
            print(f"{finding.path}:{finding.line}: {finding.message}")
    totals = Counter(finding.rule for finding in found)
    print(", ".join(f"{rule} {totals[rule]}" for rule in RULES) + f" in {sum(documented.values())} docstrings")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
