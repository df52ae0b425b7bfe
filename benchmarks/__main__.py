"""Run the measurements named by `python -m benchmarks [NAME …]`; without a name, all but the long ones."""

import importlib
import sys

NAMES = ("startup", "encoders", "finetuning", "ledger", "recorder", "scoring", "slots", "data_plane", "report_page")
LONG = ("history", "hyperiqa", "many", "scale")

if __name__ == "__main__":
    chosen = sys.argv[1:] or NAMES
    for name in chosen:
        if name not in NAMES + LONG:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(NAMES + LONG)}.")
    for name in chosen:
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
