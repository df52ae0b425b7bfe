"""Run the measurements named by `python -m benchmarks [NAME …]`; without a name, all but the long ones."""

import argparse
import importlib
import sys

NAMES = (
    *("startup", "encoders", "finetuning", "ledger", "recorder", "scoring", "slots", "data_plane", "report_page"),
    "step",
)
LONG = ("history", "hyperiqa", "many", "scale")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES + LONG))
    parser.add_argument("--against", metavar="FOLDER", help="step: compare with another checkout")
    parser.add_argument("--data-root", metavar="FOLDER", help="step: of AGIQA-3K, in place of shapes")
    options = parser.parse_args()
    chosen = options.names or NAMES
    for name in chosen:
        if name not in NAMES + LONG:
            sys.exit(f"There is no benchmark {name!r}; there are {', '.join(NAMES + LONG)}.")
    for name in chosen:
        print(f"== {name}", flush=True)
        given = (options.against, options.data_root) if name == "step" else ()
        importlib.import_module(f"benchmarks.{name}").main(*given)
