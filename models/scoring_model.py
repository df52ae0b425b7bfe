"""The shape that all variants share: a stem, a target net, and a hypernet that writes into it."""

from collections.abc import Mapping

from torch import Tensor, nn

from models.hypernet import HyperNet
from models.stems import Stem
from models.target_net import TargetNet


class ScoringModel(nn.Module):
    """Scores images from their features; what `build_variant` returns.

    Every parameter of the hypernet has a name that starts with "hypernet.", so that a trainer can give it
    a learning rate of its own.

    Args:
        stem: Makes the target net's input of the features.
        target_net: Scores it.
        hypernet: Generates the target net's weights, or None where they are static.

    Attributes:
        reads: Names of the features that `forward` takes.
        n_targets: How many scores it gives.
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
        """Measure what standardises the inputs, once, on the training rows: (N, *shape) by name."""
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
        return self.target_net(self.stem(features), generated)
