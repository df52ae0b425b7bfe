"""Criteria of a prompt: one text for each prompt, read from a file of the user."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.data.dataset import normalize_prompt

_KEYS = ("prompt", "criteria")


def read_criteria(path: Path, prompts: Sequence[str]) -> list[str]:
    """Return the criteria of each of `prompts`, in the same order.

    Args:
        path: JSON lines, each an object with `prompt` and `criteria`, as a language model may have written them
            (the paper, section IV-B). Prompts are matched without regard to case and runs of white space.
        prompts: those of a data set's rows.

    Raises:
        InputError: the file is missing, a line is not such an object, a prompt has two criteria or none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--criteria {path} cannot be read: {reason(error)}.") from error
    criteria: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            prompt, text = _entry(path, number, line)
            key = normalize_prompt(prompt)
            if criteria.setdefault(key, text) != text:
                raise InputError(f"--criteria {path}, line {number}: '{prompt}' has other criteria further up.")
    missing = list(dict.fromkeys(prompt for prompt in prompts if normalize_prompt(prompt) not in criteria))
    if missing:
        raise InputError(
            f"--criteria {path} has nothing for {len(missing)} of {len(set(prompts))} prompts, such as '{missing[0]}'."
        )
    return [criteria[normalize_prompt(prompt)] for prompt in prompts]


def _entry(path: Path, number: int, line: str) -> tuple[str, str]:
    try:
        entry = json.loads(line)
        prompt, text = (entry[key] for key in _KEYS)
    except (ValueError, TypeError, KeyError):
        prompt = text = None
    if not isinstance(prompt, str) or not isinstance(text, str) or not text.strip():
        raise InputError(f'--criteria {path}, line {number}: expected {{"prompt": …, "criteria": …}}, both texts.')
    return prompt, text
