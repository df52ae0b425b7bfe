"""Names of the baselines that the confirm runs' splits are also scored by."""

_SHORT = {
    "ridge": "ridge regression",
    "generator_mean": "mean score of the generator",
    "prompt_mean": "mean score of the prompt",
    "generator_prompt_mean": "generator and prompt means",
}

BASELINES = {
    name: f"{short} on the same features" if name == "ridge" else f"{short} (sees no pixel)"
    for name, short in _SHORT.items()
}
"""Key in `result.json` → name."""

BASELINE_LABELS = {name: short if name == "ridge" else f"{short}, no pixel" for name, short in _SHORT.items()}
"""Key in `result.json` → name in a figure."""
