"""Report: results.json to a table, JSON and, when asked, docs/performance.md with its plots. Blocks; measures nothing.

Goals are no gates: the exit status is 0 whatever they say, 2 when the results cannot be read. Comparing two runs
exits with 1 when too few quartile ranges overlap.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import sys

from ladder import compare, goals, lines, page, plot, table

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent


def summaries(results):
    for line in results.lines.values():
        found = line.summary()
        yield {"id": line.id, "unit": line.unit, "median": found.median, "q1": found.q1, "q3": found.q3,
               "spread": found.spread, "rounds": found.rounds}


def document(results, answers):
    return {"about": results.about, "goals": [dataclasses.asdict(answer) for answer in answers],
            "lines": list(summaries(results)),
            "missing": [{"what": what, "why": why} for what, why in results.missing], "notes": results.notes}


def write_docs(results, answers, folder):
    """performance.md and performance/*.svg; a plot of an earlier run that this one has no lines for goes."""
    plots = plot.draw_all(results)
    drawings = folder / "performance"
    drawings.mkdir(parents=True, exist_ok=True)
    for old in drawings.glob("*.svg"):
        if old.stem not in plots:
            old.unlink()
    for name, svg in plots.items():
        (drawings / f"{name}.svg").write_text(svg)
    (folder / "performance.md").write_text(page.compose(results, answers, list(plots)))


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="report", description="The ladder's results as table, JSON and page.")
    parser.add_argument("results", nargs="?", type=pathlib.Path, metavar="RESULTS.json")
    parser.add_argument("--docs", nargs="?", const=ROOT / "docs", type=pathlib.Path, metavar="FOLDER",
                        help="write performance.md and performance/*.svg (into docs/ when no folder is given)")
    parser.add_argument("--json", default=ROOT / "build/bench/report.json", type=pathlib.Path, metavar="FILE",
                        help="where the JSON goes (build/bench/report.json)")
    parser.add_argument("--compare", nargs=2, type=pathlib.Path, metavar=("A.json", "B.json"),
                        help="for how many lines the quartile ranges of two runs overlap")
    options = parser.parse_args(arguments)
    if (options.results is None) == (options.compare is None):
        parser.error("either RESULTS.json or --compare A.json B.json")
    return options


def report(options, out, colour):
    results = lines.load(options.results)
    answers = goals.evaluate_all(results)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(document(results, answers), indent=1) + "\n")
    if options.docs:
        write_docs(results, answers, options.docs)
    print("\n".join(table.compose(results, answers, colour)), file=out)
    return 0


def report_comparison(options, out):
    text, holds = compare.compose(*(lines.load(path) for path in options.compare))
    print("\n".join(text), file=out)
    return 0 if holds else 1


def main(arguments, out=sys.stdout):
    options = parse_arguments(arguments)
    try:
        if options.compare:
            return report_comparison(options, out)
        return report(options, out, out.isatty() and not os.environ.get("NO_COLOR"))
    except lines.Malformed as wrong:
        print(f"report: {wrong}", file=sys.stderr)
        return 2
