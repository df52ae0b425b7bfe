"""Names of the baselines that the confirm runs' splits are also scored by."""

BASELINES = {
    "ridge": "ridge regression on the same features",
    "generator_mean": "mean score of the generator (sees no pixel)",
    "prompt_mean": "mean score of the prompt (sees no pixel)",
    "generator_prompt_mean": "generator and prompt means (sees no pixel)",
}
"""Key in `result.json` → name."""
