"""The command line of tools/bench/instructions: counts, judges, says so, and rewrites the budgets when asked to."""
import argparse
import json
import os
import pathlib
import sys

from budgets import callgrind, judge

FILE = pathlib.Path(__file__).resolve().parents[3] / "tests/instructions/budgets.json"
ROWS_SHOWN = 25


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="instructions",
                                     description="instructions per operation against their budgets")
    parser.add_argument("build", metavar="BUILD", help="a build folder with the target `instructions`")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--update", action="store_true", help="write what is measured as the new budgets")
    action.add_argument("--show", metavar="NAME", help="print the costliest functions of an operation")
    return parser.parse_args(arguments)


def read_budgets():
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def show(driver, name):
    if name not in driver.operations:
        print(f"instructions: no operation {name!r}; there are: {', '.join(driver.operations)}", file=sys.stderr)
        return 2
    total, rows = driver.profile(name, ROWS_SHOWN)
    print(f"{name}: {total:,} instructions per operation; by each function's own:")
    for share, cost, place in rows:
        print(f"{share:6.2f} %  {cost:>8,}  {place}")
    return 0


def write_update(measured, versions, budgets):
    updated = judge.update(measured, versions, budgets)
    FILE.write_text(json.dumps(updated, indent=2) + "\n")
    verdicts = judge.judge(measured, updated)
    print(judge.table(verdicts))
    print(f"instructions: wrote {FILE}")
    return 0 if all(verdict.is_fine for verdict in verdicts) else 1


def compare(measured, versions, budgets):
    verdicts = judge.judge(measured, budgets)
    print(judge.table(verdicts))
    differences = judge.version_differences(versions, budgets)
    if differences:
        # Other compilers and libraries: the ratios above say nothing about our change.
        print("instructions: NOT JUDGED, the budgets were measured with others and need a review (--update):",
              *differences, sep="\n  ", file=sys.stderr)
        return 0 if os.environ.get("KEELSON_BUDGET_REVIEW") == "1" else 1
    return 0 if all(verdict.is_fine for verdict in verdicts) else 1


def main(arguments):
    options = parse_arguments(arguments)
    try:
        driver = callgrind.Driver(options.build)
        if options.show:
            return show(driver, options.show)
        versions, measured = driver.versions(), driver.count()
    except callgrind.CannotCount as why:
        print(f"instructions: {why}", file=sys.stderr)
        return 1
    return (write_update if options.update else compare)(measured, versions, read_budgets())
