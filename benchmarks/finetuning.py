"""Processor seconds of a training step of 32 images and of scoring them, by how many parts stay frozen."""

import time

import torch

from models import build_variant
from models.encoders import build_encoder
from models.finetuned_model import PIXELS, Finetuning, finetuned
from orchestrator.search.space import load_space
from orchestrator.training.losses import build_loss

ENCODER, ROWS, THREADS, STEPS = "efficientnet_lite0", 32, 1, 3


def main() -> None:
    torch.set_num_threads(THREADS)
    encoder = build_encoder(ENCODER)
    shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
    space = load_space("image_hyper")
    arguments = space.configuration(space.default_params()).model
    features = {PIXELS: torch.randint(256, (ROWS, 3, 256, 256), dtype=torch.uint8)}
    scores, prompts = torch.rand(ROWS, 1), torch.arange(ROWS) // 8
    loss = build_loss("mse+0.3*rank")
    for frozen in range(len(encoder.load_backbone().parts()) + 1):
        model = finetuned(encoder, build_variant("image_hyper", shapes, **arguments), Finetuning(frozen_parts=frozen))
        model.train()
        seconds = []
        for _ in range(STEPS):
            began = time.process_time()
            torch.autograd.backward(loss(model(features), scores, prompts))
            seconds.append(time.process_time() - began)
        model.eval()
        began = time.process_time()
        with torch.inference_mode():
            model(features)
        scored = time.process_time() - began
        learning = sum(p.numel() for p in model.backbone.parameters() if p.requires_grad)
        print(
            f"{frozen} frozen parts, {learning:9,} learning parameters of the backbone: {min(seconds):5.2f} s a step, "
            f"{scored:4.2f} s to score ({ENCODER}, {ROWS} images, {THREADS} thread)",
            flush=True,
        )
