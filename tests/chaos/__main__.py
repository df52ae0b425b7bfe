"""`python -m tests.chaos FIRST:LAST`: a sweep for every seed, and a table of what was done to it and what was lost."""

import os
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from tests.chaos.story import Story, run_story
from tests.chaos.world import REPOSITORY, Server, World
from tests.ratings import make_ratings


def main(seeds: range) -> int:
    os.environ.setdefault("PYTHONPATH", str(REPOSITORY))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    os.environ["HYPERASSESS_CACHE"] = str(folder / "cache")
    ratings, server = make_ratings(folder), Server(folder)
    stories: list[Story] = []
    wrong = 0
    print(f"{folder}")
    try:
        for seed in seeds:
            server.start()
            try:
                story = run_story(World(folder / f"world-{seed}", ratings, server, f"sweep-{seed}"), seed)
            except Exception:
                wrong += 1
                print(f"{seed:4}  WRONG\n{traceback.format_exc()}", flush=True)
                continue
            stories.append(story)
            print(
                f"{seed:4}  {story.drivers} drivers  {story.seconds:4.0f} s  {story.compared} figures agree  "
                f"at most {story.lost} epochs lost  {'; '.join(story.faults)}",
                flush=True,
            )
    finally:
        server.stop()
    faults = Counter(fault for story in stories for fault in story.faults)
    for fault, count in faults.most_common():
        print(f"{count:4} × {fault}")
    print(f"{len(stories)} sweeps whole, {wrong} not; {sum(story.compared for story in stories)} figures compared")
    return min(wrong, 1)


if __name__ == "__main__":
    first, last = (sys.argv[1] if len(sys.argv) > 1 else "0:5").split(":")
    sys.exit(main(range(int(first), int(last))))
