"""Features where a training can reach a batch of them fast."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

# Rows of up to this many values are vectors or small maps: worth holding as float32, ready to be gathered.
_SMALL_ROW = 8192
_RESIDENT_BYTES = 512 * 2**20
# Per-channel statistics of a large map settle long before every row has been seen.
_CALIBRATION_BYTES = 128 * 2**20
_CALIBRATION_IMAGES = 512


class FeatureBatches:
    """The features a model reads, on its device; `batch` gathers rows as float32.

    Small features are converted to float32 once, if together they take less than 512 MB; large maps stay
    float16 and are converted a batch at a time. On a GPU everything is moved there once, but for pixels, which are
    uint8 and stay so: of these a batch is read and moved at a time, wherever they lie.
    """

    def __init__(self, features: Mapping[str, Tensor], reads: Iterable[str], device: torch.device) -> None:
        reads = tuple(reads)
        missing = [name for name in reads if name not in features]
        if missing:
            raise ValueError(f"the model reads {', '.join(missing)}, but the data has {', '.join(sorted(features))}")
        small = {name for name in reads if features[name][0].numel() <= _SMALL_ROW}
        if sum(4 * features[name].numel() for name in small) >= _RESIDENT_BYTES:
            small = set()
        self.device = device
        pixels = {name for name in reads if features[name].dtype == torch.uint8}
        self._pixels = {name: features[name] for name in pixels}
        self._tensors = {
            name: features[name].to(device, torch.float32 if name in small else features[name].dtype)
            for name in reads
            if name not in pixels
        }

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows (B,) int64 → name → (B, \\*shape) float32, pixels uint8, on the device.

        With pixels the rows had better be on the CPU: to fetch them from a GPU is to wait for it.
        """
        there = rows.to(self.device)
        gathered = {name: tensor.index_select(0, there).float() for name, tensor in self._tensors.items()}
        for name, tensor in self._pixels.items():
            gathered[name] = tensor.index_select(0, rows.to(tensor.device)).to(self.device)
        return gathered

    def calibration(self, rows: Tensor) -> dict[str, Tensor]:
        """Like `batch`, for a model's `calibrate`; a large map gives evenly spaced rows, 128 MB at most.

        Pixels too, at most 512 rows: they still have to go through a network.
        """
        gathered = {}
        for name, tensor in self._tensors.items():
            fits = max(1, _CALIBRATION_BYTES // (4 * tensor[0].numel()))
            gathered[name] = tensor.index_select(0, _spaced(rows, fits)).float()
        for name, tensor in self._pixels.items():
            chosen = _spaced(rows, _CALIBRATION_IMAGES).to(tensor.device)
            gathered[name] = tensor.index_select(0, chosen).to(self.device)
        return gathered


def _spaced(rows: Tensor, at_most: int) -> Tensor:
    return rows[:: -(-len(rows) // at_most)]
