"""Features of a training on its device, gathered in batches."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

# Number of values of a row up to which a feature, a vector or a small map, is kept as float32.
_SMALL_ROW = 8192
_RESIDENT_BYTES = 512 * 2**20
# A sample of the rows is enough to estimate the per-channel statistics of a large map.
_CALIBRATION_BYTES = 128 * 2**20
_CALIBRATION_IMAGES = 512


class FeatureBatches:
    """Features that a model reads, on its device; `batch` gathers rows as float32.

    Small features are converted to float32 once if their total is below 512 MB. Large maps stay float16 and are
    converted batch by batch. All features are moved to the device once, except for pixels. Pixels stay uint8 on their
    own device and are moved batch by batch.

    Raises:
        ValueError: a feature that the model reads is missing.

    Example:
        >>> features = {"image_prompt.embedding": torch.zeros(6, 8, dtype=torch.float16)}
        >>> batches = FeatureBatches(features, ["image_prompt.embedding"], torch.device("cpu"))
        >>> batch = batches.batch(torch.tensor([0, 2, 4]))["image_prompt.embedding"]
        >>> batch.shape, batch.dtype
        (torch.Size([3, 8]), torch.float32)
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
        """Gather rows (B,) int64: name → (B, \\*shape) float32, pixels uint8, on the device.

        If there are pixels, rows on the CPU are faster: copying the rows from a GPU waits for it.
        """
        device_rows = rows.to(self.device)
        gathered = {name: tensor.index_select(0, device_rows).float() for name, tensor in self._tensors.items()}
        for name, tensor in self._pixels.items():
            gathered[name] = tensor.index_select(0, rows.to(tensor.device)).to(self.device)
        return gathered

    def calibration(self, rows: Tensor) -> dict[str, Tensor]:
        """Gather rows like `batch`, for a model's `calibrate`; of a large map evenly spaced rows, at most 128 MB.

        Of pixels, which a network has to encode, it gathers at most 512 evenly spaced rows.
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
