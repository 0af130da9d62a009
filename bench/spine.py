"""The figures of the spine, side by side with Phoenix and MLflow in one run on one machine.

    python bench/spine.py [--only NAME …] [--scale 0.1] [--out bench/RESULTS.md]

Prints a table and writes it, with versions, machine and command, to bench/RESULTS.md. Takes fifteen minutes, most of
it waiting for the peers. Only ratios within one run mean anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench import report  # noqa: E402 - the path has to be set first
from bench.environments import WORK  # noqa: E402
from bench.measure import measure  # noqa: E402
from bench.own_install import own_install  # noqa: E402
from bench.peers import Peer  # noqa: E402
from bench.peers.mlflow import Mlflow  # noqa: E402
from bench.peers.phoenix import Phoenix  # noqa: E402
from bench.peers.tallystick import Tallystick  # noqa: E402
from bench.sdk import sdk_call  # noqa: E402

# The peers get smaller loads, or the bench would take hours. All are multiples of 8,000, so that runs of 2,000 spans,
# which are dear to some, make up a quarter of every load.
SIZES: dict[str, list[int]] = {
    "Tallystick": [8_000, 40_000],
    "MLflow": [8_000, 16_000],
    "Phoenix": [8_000, 8_000],
}


def main() -> int:
    """Measure every server in turn, then the SDK call and the install."""
    arguments = _arguments()
    results = []
    for driver in _drivers(arguments):
        sizes = [max(2_100, int(size * arguments.scale)) for size in SIZES[driver.name]]
        print(f"{driver.name}: loads of {sizes} spans …", file=sys.stderr, flush=True)
        result = measure(driver, sizes, installed=driver.environment() != Path(sys.prefix))
        results.append(result)
        print(report.line(result), file=sys.stderr, flush=True)
    sdk = sdk_call(ROOT)
    text = report.text(results, sdk, command=" ".join(["python", "bench/spine.py", *sys.argv[1:]]))
    print(text)
    if arguments.out:
        Path(arguments.out).write_text(text, encoding="utf-8")
    return 1 if any(result.fault for result in results) else 0


def _drivers(arguments: argparse.Namespace) -> Iterator[Peer]:
    wanted = set(arguments.only or ("tallystick", "mlflow", "phoenix"))
    if "tallystick" in wanted:
        own = None if arguments.no_install else own_install(ROOT, WORK / "envs" / "tallystick")
        yield Tallystick(own)
    if "mlflow" in wanted:
        yield Mlflow()
    if "phoenix" in wanted:
        yield Phoenix()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The figures of the spine against Phoenix and MLflow.")
    parser.add_argument("--only", nargs="*", type=str.lower, help="tallystick, mlflow, phoenix")
    parser.add_argument("--scale", type=float, default=1.0, help="shrink or grow every load")
    parser.add_argument(
        "--no-install", action="store_true", help="run Tallystick from the sources, not from a fresh install"
    )
    parser.add_argument("--out", default=str(ROOT / "bench" / "RESULTS.md"), help="'' to print only")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
