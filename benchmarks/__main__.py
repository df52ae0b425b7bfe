"""`python -m benchmarks [NAME …]`: all measurements, or those named."""

import importlib
import sys

NAMES = ("startup", "encoders", "finetuning", "ledger", "recorder", "scoring", "slots", "data_plane")

if __name__ == "__main__":
    chosen = sys.argv[1:] or NAMES
    for name in chosen:
        if name not in NAMES:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(NAMES)}.")
    for name in chosen:
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
