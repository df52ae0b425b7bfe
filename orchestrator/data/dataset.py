"""A data set after it is loaded and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


GROUPS = "split group"
"""Column of groups that no split divides, if the user named one; a score may well be called group."""


@dataclass(frozen=True)
class Quarantine:
    """A row that was excluded, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rated images: one row per image with its prompt, its generator and its mean opinion scores.

    Attributes:
        name: the name it was loaded by, for example "agiqa3k".
        table: columns are name (unique, sorted), image (absolute path), prompt, generator, digest (SHA-256 of the
            image's bytes), and a column for every target in MOS units. Without prompts, prompt is "" in all rows.
            Optional: `<target>_std`, the raters' standard deviations, `criteria`, and `GROUPS`.
        targets: the score columns, for example ("quality", "alignment").
        quarantined: rows that were excluded.
        data_hash: SHA-256 of names, images, prompts, generators and scores. Equal hashes mean the same rows
            in the same order.
        notes: sentences about what was assumed to read it.
        gaps: scores that some rows lack → how many, and the first of them.
        unusable: scores that cannot be learned → why.
    """

    name: str
    table: pd.DataFrame
    targets: tuple[str, ...]
    quarantined: tuple[Quarantine, ...]
    data_hash: str
    notes: tuple[str, ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def names(self) -> list[str]:
        """Unique names of the rows, (N,)."""
        return list(self.table["name"])

    @property
    def images(self) -> list[str]:
        """Absolute paths of the images, (N,)."""
        return list(self.table["image"])

    @property
    def prompts(self) -> list[str]:
        """Prompts as they were written, (N,)."""
        return list(self.table["prompt"])

    @property
    def criteria(self) -> list[str]:
        """Criteria of each image, (N,).

        Raises:
            InputError: the data set has no criteria.
        """
        if "criteria" not in self.table:
            raise InputError(
                "This variant reads what is asked of each prompt's images: give --criteria FILE, with lines such as "
                '{"prompt": "a red fox", "criteria": "one fox, its fur red"}.'
            )
        return list(self.table["criteria"])

    def with_criteria(self, criteria: Sequence[str]) -> Dataset:
        """Return the same rows with criteria, (N,); the data hash covers them."""
        import hashlib
        import json

        digest = hashlib.sha256(json.dumps([self.data_hash, *criteria]).encode()).hexdigest()
        return replace(self, table=self.table.assign(criteria=list(criteria)), data_hash=digest)

    def images_and_prompts(self) -> list[tuple[str, str]]:
        """Return the SHA-256 and the prompt of each image, sorted; equal for data sets that differ in names only."""
        return sorted(zip(self.table["digest"], self.table["prompt"], strict=True))

    @property
    def generators(self) -> list[str]:
        """Generator of each image, with its setting if it has one, (N,); "unknown" if the data set names none."""
        return list(self.table["generator"])

    @property
    def has_prompts(self) -> bool:
        """True if the images have prompts; a row without one is excluded then."""
        return bool((self.table["prompt"].str.strip() != "").any())

    @property
    def groups(self) -> list[str]:
        """Group of each row, which no split divides and intervals resample, (N,).

        It is the column `GROUPS` if there is one, else the normalised prompt, else, without prompts, the image's bytes.
        """
        if GROUPS in self.table:
            named = self.table[GROUPS]
            return list(named.where(named != "", self.table["digest"]))
        if "digest" in self.table and not self.has_prompts:
            return list(self.table["digest"])
        return list(self.table["prompt"].map(normalize_prompt))

    @property
    def group_noun(self) -> str:
        """Name of the groups, for messages: "prompts" or "groups"."""
        return "groups" if GROUPS in self.table or not self.has_prompts else "prompts"

    @property
    def group_count(self) -> int:
        """Number of groups: of distinct prompts as they are written, unless the groups are others."""
        return len(set(self.prompts if self.group_noun == "prompts" else self.groups))

    @property
    def prompt_ids(self) -> NDArray[np.int64]:
        """A number for each row, equal where the groups are equal: by default the normalised prompts, (N,)."""
        import pandas as pd

        return pd.factorize(pd.Series(self.groups, dtype=object))[0].astype("int64")

    def scores(self, targets: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Return mean opinion scores, (N, T) in MOS units, for some targets or for all of them.

        Raises:
            InputError: a target that this data set does not have.
        """
        chosen = self.targets if targets is None else tuple(targets)
        for target in chosen:
            if target not in self.targets:
                raise InputError(f"{self.name} has no score '{target}'; it has {', '.join(self.targets)}.")
        return self.table[list(chosen)].to_numpy(dtype="float64")

    def stds(self, targets: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the raters' standard deviations, (N, T) in MOS units; None if `lacking_stds` names a reason."""
        if self.lacking_stds(targets):
            return None
        return self.table[[f"{target}_std" for target in targets]].to_numpy(dtype="float64")

    def lacking_stds(self, targets: Sequence[str]) -> str | None:
        """Return why the raters' standard deviations of these scores are unknown; None if they are known."""
        for column in (f"{target}_std" for target in targets):
            if column not in self.table:
                return f"{self.name} has no column {column}"
            # A NaN is not at least 0 either.
            if bad := int((~self.table[column].between(0, float("inf"), inclusive="left")).sum()):
                return f"{self.name} has {bad} of {len(self)} rows whose {column} is not a number of 0 or above"
        return None

    def quarantine_counts(self) -> dict[str, int]:
        """Return how many rows were excluded for each reason."""
        return {reason: len(names) for reason, names in self.quarantined_names().items()}

    def quarantined_names(self) -> dict[str, list[str]]:
        """Return the names of the rows excluded for each reason, the commonest reason first."""
        names: dict[str, list[str]] = {}
        for left_out in self.quarantined:
            names.setdefault(left_out.reason, []).append(left_out.name)
        return dict(sorted(names.items(), key=lambda item: -len(item[1])))


def normalize_prompt(prompt: str) -> str:
    """Return the prompt in lower case, with every run of white space as one blank."""
    return " ".join(prompt.casefold().split())
