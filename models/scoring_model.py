"""Structure shared by all variants: a stem, a target net, and a hypernet that generates weights for it."""

from collections.abc import Mapping

from torch import Tensor, nn

from models.hypernet import HyperNet
from models.stems import Stem
from models.target_net import TargetNet


class ScoringModel(nn.Module):
    """Model that scores images from their features; `build_variant` returns it.

    Every parameter of the hypernet has a name that starts with "hypernet.", so that a trainer can use
    a separate learning rate for it.

    Args:
        stem: Computes the target net's input from the features.
        target_net: Computes the scores from that input.
        hypernet: Generates the target net's weights; None if they are all static.

    Attributes:
        reads: Names of the features that `forward` takes.
        n_targets: Number of scores of an image.

    Example:
        >>> import torch
        >>> from models import build_variant
        >>> model = build_variant("image_text_hyper", {"image.map": (8, 7, 7), "image_prompt.embedding": (16,)})
        >>> isinstance(model, ScoringModel), model.reads
        (True, ('image.map', 'image_prompt.embedding'))
        >>> model({"image.map": torch.zeros(3, 8, 7, 7), "image_prompt.embedding": torch.zeros(3, 16)}).shape
        torch.Size([3, 1])
    """

    def __init__(self, stem: Stem, target_net: TargetNet, hypernet: HyperNet | None = None) -> None:
        super().__init__()
        self.stem = stem
        self.target_net = target_net
        self.hypernet = hypernet
        condition = () if hypernet is None else (hypernet.condition,)
        self.reads = tuple(dict.fromkeys((*condition, *stem.reads)))
        self.n_targets = target_net.layers[-1][1]

    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure the statistics that standardise the inputs, once, on training rows (N, *shape) by name."""
        self.stem.calibrate(features)
        if self.hypernet is not None:
            self.hypernet.calibrate(features)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Score a batch.

        Args:
            features: (B, *shape) by name, at least those in `reads`.

        Returns:
            (B, n_targets), in units of the standardised scores.
        """
        generated = None if self.hypernet is None else self.hypernet(features)
        return self.target_net(self.stem.forward_parts(features), generated)
