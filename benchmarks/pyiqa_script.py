"""Script of the peer pyiqa: scores images with its hyperIQA, as its README does, once for every line of its input.

It runs in an environment of its own: `python pyiqa_script.py CROPS IMAGE…`. The weights are random.
"""

import sys
import time

import timm

create = timm.create_model
timm.create_model = lambda name, **options: create(name, **{**options, "pretrained": False})  # it would download them

import pyiqa  # noqa: E402


def main(crops: int, images: list[str]) -> None:
    metric = pyiqa.create_metric("hyperiqa", device="cpu", pretrained=False, num_crop=crops)
    metric(images[0])
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        for image in images:
            metric(image)
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
