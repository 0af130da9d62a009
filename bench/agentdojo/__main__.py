"""A fully compromised agent against the guard, on suites of AgentDojo, without a model.

    python -m bench.agentdojo [--suite NAME …] [--project FOLDER | --drafted] [--json FILE] [--details]

Runs in an environment of its own with AgentDojo and this Tallystick, made on first use under bench/.work/envs (or
TALLYSTICK_BENCH_ENVS). How to run a suite with your own declarations: bench/agentdojo/README.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OWN = ("banking", "workspace")


def main() -> int:
    """Measure each suite and print the table; 0 when everything was played."""
    arguments = _arguments()
    if importlib.util.find_spec("agentdojo") is None:
        return _elsewhere()
    warnings.simplefilter("ignore")
    os.environ.setdefault("TALLYSTICK_TELEMETRY_FAIL", "count")
    from bench.agentdojo import figures, report
    from bench.agentdojo.drafted import drafted
    from bench.agentdojo.suites import load

    found, attacked = [], not arguments.user_tasks
    for name in arguments.suite or OWN:
        suite, own = load(name), arguments.project or HERE / "project" / name
        if arguments.drafted or not own.is_dir():
            with drafted(suite) as project:
                figure = figures.measure(suite, project, attacked=attacked, jobs=arguments.jobs)
            figure["suite"] = f"{name}, drafted"
        else:
            figure = figures.measure(suite, own, attacked=attacked, jobs=arguments.jobs)
        found.append(figure)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1, default=str) + "\n", "utf-8")
    if arguments.details:
        print("\n".join(report.details(one) for one in found))
    print(report.table(found), end="")
    return 0


def _elsewhere() -> int:
    """The same command in the environment that has AgentDojo."""
    from bench.environments import folder_of

    python = folder_of("agentdojo", "-e", str(ROOT)) / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(python), "-m", "bench.agentdojo", *sys.argv[1:]]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.agentdojo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--suite", action="append", help="a suite of AgentDojo; banking and workspace by default"
    )
    parser.add_argument("--project", type=Path, help="a folder with tools/*.toml and policies/*.cedar for it")
    parser.add_argument(
        "--drafted", action="store_true", help="take declarations drafted from the tools' own words"
    )
    parser.add_argument(
        "--user-tasks", action="store_true", help="play the user tasks alone, which takes seconds"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes to play in")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument("--details", action="store_true", help="say which tasks ask, and which attacks pass")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
