"""Features of a training on its device, gathered in batches."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from models.standardize import Standardizer, standardized_name

# Number of values of a row up to which a feature, a vector or a small map, is kept as float32.
_SMALL_ROW = 16384
_RESIDENT_BYTES = 512 * 2**20
# A sample of the rows is enough to estimate the per-channel statistics of a large map.
_CALIBRATION_BYTES = 128 * 2**20
_CALIBRATION_IMAGES = 512


class Batch(dict[str, Tensor]):
    """Features of a batch by name; those that are there standardised are gathered as they were only if asked for.

    Example:
        >>> batch = Batch({"image.map": torch.zeros(6, 8)}, torch.tensor([0, 2]), torch.device("cpu"))
        >>> batch["image.map"].shape, len(batch)
        (torch.Size([2, 8]), 0)
    """

    def __init__(self, source: Mapping[str, Tensor], rows: Tensor, device: torch.device) -> None:
        super().__init__()
        self._source, self._rows, self._device = source, rows, device

    def __missing__(self, name: str) -> Tensor:
        """Gather a feature's rows as float32."""
        tensor = self._source[name]
        return tensor.index_select(0, self._rows.to(tensor.device)).to(self._device, torch.float32)


class FeatureBatches:
    """Features that a model reads, on its device; `batch` gathers rows as float32.

    Small features are converted to float32 once, the smallest first, up to 512 MB. Maps among them are kept with their
    channels last, the layout in which convolutions are fastest. Other features stay float16 and are converted batch by
    batch. All features are moved to the device once, except for pixels. Pixels stay uint8 on their own device and are
    moved batch by batch.

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
        pixels = {name for name in reads if features[name].dtype == torch.uint8}
        small = _small({name: features[name] for name in reads if name not in pixels})
        self.device = device
        self._source = features
        self._pixels = {name: features[name] for name in pixels}
        self._tensors = {
            name: _channels_last(features[name].to(device, torch.float32))
            if name in small
            else features[name].to(device)
            for name in reads
            if name not in pixels
        }
        self._small = small
        self._standardized: dict[str, tuple[Tensor, Tensor]] = {}

    def standardize(self, model: nn.Module) -> None:
        """Standardise the small features once, by the statistics of the model's `Standardizer`s.

        After new statistics were loaded into the model, it is called again. A backbone that is trained reads pixels,
        and its arrays are not standardised here.
        """
        if self._pixels:
            return
        for module in model.modules():
            if isinstance(module, Standardizer) and module.feature in self._small:
                self._standardize(module)

    @torch.no_grad()
    def _standardize(self, standardizer: Standardizer) -> None:
        name, statistics = standardizer.feature, (standardizer.mean, standardizer.scale)
        done = self._standardized.get(name)
        if done is not None and all(torch.equal(one, other) for one, other in zip(done, statistics, strict=True)):
            return
        own = self._tensors.pop(name, None)
        if own is None:
            own = _channels_last(self._source[name].to(self.device, torch.float32))
        self._tensors[standardized_name(name)] = standardizer(own)
        self._standardized[name] = (statistics[0].clone(), statistics[1].clone())

    def batch(self, rows: Tensor) -> dict[str, Tensor]:
        """Gather rows (B,) int64: name → (B, \\*shape) float32, pixels uint8, on the device.

        If there are pixels, rows on the CPU are faster: copying the rows from a GPU waits for it.
        """
        device_rows = rows.to(self.device)
        gathered = Batch(self._source, rows, self.device)
        for name, tensor in self._tensors.items():
            gathered[name] = _rows_of(tensor, device_rows).float()
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
            gathered[name] = _rows_of(tensor, _spaced(rows, fits)).float()
        for name, tensor in self._pixels.items():
            chosen = _spaced(rows, _CALIBRATION_IMAGES).to(tensor.device)
            gathered[name] = tensor.index_select(0, chosen).to(self.device)
        return gathered


def _small(features: Mapping[str, Tensor]) -> set[str]:
    """Return the names of the features that are kept as float32."""
    small, total = set(), 0
    for name, tensor in sorted(features.items(), key=lambda item: item[1].numel()):
        total += 4 * tensor.numel()
        if tensor[0].numel() <= _SMALL_ROW and total < _RESIDENT_BYTES:
            small.add(name)
    return small


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _rows_of(tensor: Tensor, rows: Tensor) -> Tensor:
    """Gather rows; of maps in their own layout, which `index_select` would change."""
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        last = tensor.permute(0, 2, 3, 1)
        return last.flatten(1).index_select(0, rows).view(-1, *last.shape[1:]).permute(0, 3, 1, 2)
    return tensor.index_select(0, rows)


def _spaced(rows: Tensor, at_most: int) -> Tensor:
    return rows[:: -(-len(rows) // at_most)]
