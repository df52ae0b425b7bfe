"""Context of a sweep on generated features, whose scores a training learns in milliseconds."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import variant_info
from orchestrator.data.splits import Split
from orchestrator.execution.cross_dataset_eval import CrossDatasetEval
from orchestrator.execution.job import Job
from orchestrator.execution.shared_trial_store import SharedTrialStore
from orchestrator.execution.sweep_context import SweepContext

ROWS, PER_PROMPT = 144, 6
SHAPES = {
    "prompt.embedding": (64,),
    "image_prompt.embedding": (9,),
    "image.statistics": (10,),
    "image.map": (4, 7, 7),
    "image.level1": (3, 8, 8),
    "image.level2": (3, 4, 4),
    "image.level3": (3, 2, 2),
    "image.level4": (3, 1, 1),
}


@dataclass(frozen=True)
class MadeFeatures:
    """Replacement of `FeatureSet` in memory."""

    shapes: dict[str, tuple[int, ...]]
    identity: dict[str, str]
    seed: int = 0

    def tensors(self) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        return {name: torch.randn(ROWS, *SHAPES[name], generator=generator).half() for name in SHAPES}


def make_sweep_context(
    folder: Path, targets: tuple[str, ...] = ("alignment",), variant: str = "text_hyper"
) -> SweepContext:
    reads = variant_info(variant).reads
    kinds = {"image", *(name.partition(".")[0] for name in reads)}
    features = MadeFeatures({name: SHAPES[name] for name in reads}, {kind: f"made {kind} 1" for kind in sorted(kinds)})
    tensors = features.tensors()
    (folder / "trials").mkdir(parents=True, exist_ok=True)  # as `run_jobs` does
    random = np.random.default_rng(0)
    signal = tensors[reads[-1]].float().flatten(1)[:, :3].numpy()
    scores = np.stack([3 + signal @ random.normal(size=3) for _ in targets], 1) + random.normal(0, 0.1, (ROWS, 1))
    prompt_ids = np.arange(ROWS) // PER_PROMPT
    return SweepContext(
        features=features,  # type: ignore[arg-type]
        reads=reads,
        encoders={kind: f"made_{kind}" for kind in kinds},
        names=tuple(f"{row:03d}.png" for row in range(ROWS)),
        generators=tuple(f"g{row % 3}" for row in range(ROWS)),
        prompts=tuple(f"prompt {prompt}" for prompt in prompt_ids),
        prompt_ids=prompt_ids,
        scores=scores,
        stds=0.3 + random.random(scores.shape),
        targets=targets,
        splits={index: make_split(index) for index in range(4)},
        trials=folder / "trials",
        store=SharedTrialStore(folder / "trials"),
        threads=1,
        device="cpu",
        checkpoint_seconds=0.0,
    )


def move_context(context: SweepContext, trials: Path) -> SweepContext:
    """Return the context with another folder of trials, which every worker sees."""
    return replace(context, trials=trials, store=SharedTrialStore(trials))


def make_cross(context: SweepContext, targets: tuple[str, ...] | None = None, seed: int = 9) -> CrossDatasetEval:
    """Return other rows without the last of each prompt, scored by the rule of the context's scores, in other units."""
    features = replace(context.features, seed=seed)  # type: ignore[type-var]
    targets = targets or context.targets
    rows = np.flatnonzero(np.arange(ROWS) % PER_PROMPT < PER_PROMPT - 1)
    signal, known = (
        one.tensors()[context.reads[-1]].float().flatten(1)[:, :3].double().numpy()
        for one in (features, context.features)
    )
    design = np.column_stack([known, np.ones(ROWS)])
    columns = [context.targets.index(target) for target in targets]
    rule = np.linalg.lstsq(design, context.scores[:, columns], rcond=None)[0]
    return CrossDatasetEval(
        label="elsewhere",
        features=features,  # type: ignore[arg-type]
        rows=rows,
        names=tuple(f"other {row:03d}.png" for row in rows),
        generators=tuple(f"g{row % 4}" for row in rows),
        prompt_ids=rows // PER_PROMPT,
        scores=10 * (np.column_stack([signal, np.ones(ROWS)]) @ rule)[rows],
        targets=targets,
    )


def make_split(index: int) -> Split:
    """Return a split with the last 6 prompts as test part and 5 others, chosen by index, as validation part."""
    prompts = np.arange(ROWS // PER_PROMPT)
    test, rest = prompts[-6:], np.roll(prompts[:-6], 3 * index)
    rows = [np.flatnonzero(np.isin(np.arange(ROWS) // PER_PROMPT, part)) for part in (rest[5:], rest[:5], test)]
    return Split("disjoint", index, *rows, hash=str(index))


def make_job(number: int = 0, epochs: int = 3, test: bool = False, **changes: Any) -> Job:
    settings: dict[str, Any] = {
        "study": "confirm" if test else "search",
        "number": number,
        "variant": "text_hyper",
        "control_of": None,
        "model": {"widths": [8], "rank": 1, "condition_width": 4},
        "training": {"lr": 5e-3, "batch_size": 16, "epochs": epochs},
        "split": 1 if test else 0,
        "seed": 3,
        "test": test,
        "source": "trial-0000" if test else None,
        "params": {"lr": 5e-3},
    }
    return Job(**settings | changes)
