"""The page docs/performance.md out of results: method, machine, goals, plots, lines, what is missing. Pure functions.

Every figure on it is of the run it names; nothing is kept from an earlier page.
"""
from ladder import figures, plot, stats, table

METHOD = (
    "A *variant* is one way from the client to the origin. The variants of a group are all up at once and take turns,",
    "round by round: none, direct, relay, ..., and again. What disturbs the machine disturbs them alike.",
    "A figure is the median over rounds, with its quartiles (linear between order statistics, type 7); nothing is "
    "discarded,",
    f"and where the quartiles lie more than {stats.SPREAD_MAX * 100:.0f} % of the median apart the line is marked `!`.",
    "A ratio is made within each round; its median is judged, never a ratio of medians and never one with another run.",
    "A 95 % bound is an order statistic of the ratios (the sign test): exact for few rounds, "
    "whatever the distribution is.",
    "CPU time is what the scheduler counted (`/proc/PID/task/*/schedstat`) for every process "
    "on the path and `ksoftirqd`, divided",
    "by the requests of the window. *All* is client, origin and proxies; *proxies* leaves client and origin out.",
    "Client and origin run on core 0, every proxy, relay and peer on core 1; without a proxy the origin has core 1. "
    "One worker each.",
    "Peers run where a sidecar would, in the pods' own network namespaces: no placement is kinder to them.",
    "Latency is of an open loop, all variants at the same rate: 40 % of what the slowest of the case does in the "
    "closed loop. It",
    "counts from the time that a request was due (no coordinated omission).",
)
VERDICT = {"met": "**met**", "not met": "**not met**"}


def cells(*texts):
    return "| " + " | ".join(str(text).replace("|", "\\|").replace("\n", " ") for text in texts) + " |"


def head(*names):
    return [cells(*names), "|" + " --- |" * len(names)]


def machine(about):
    names = (("date", "date"), ("commit", "commit"), ("mode", "mode"), ("seconds", "run time, s"), ("cpu", "processor"),
             ("cores", "cores"), ("kernel", "kernel"), ("congestion_control", "congestion control"))
    rows = [cells(words, about.get(name, "not recorded")) for name, words in names]
    versions = [cells(name, version) for name, version in sorted(about.get("versions", {}).items())]
    return [*head("what", "is"), *rows, *versions]


def verdict(answer):
    words = figures.verdict(answer)
    base = words.removesuffix(" ~")
    return words.replace(base, VERDICT.get(base, base))


def goal_row(answer):
    own, peer = (figures.with_unit(figure, answer.own_unit) for figure in (answer.own, answer.peer))
    whole = figures.ratio(answer.figure_all) + "x" if answer.figure_all is not None else ""
    limit = figures.goal_limit(answer, figures.RELATION.get)
    return cells(answer.text, figures.goal_figure(answer), figures.goal_quartiles(answer),
                 figures.share(answer.spread), own,
                 peer, limit, verdict(answer), whole)


def goal_section(answers):
    text = [*head("goal", "figure", "quartiles", "spread", "own", "peer", "limit", "", "with client and origin")]
    text += [goal_row(answer) for answer in answers]
    met = table.tally(answers).removeprefix("goals: ").capitalize()
    text += ["", met + ". `~`: the limit lies within the quartiles."]
    if lacking := [answer for answer in answers if answer.met is None]:
        text += ["", "Not measured:", ""] + [f"- {answer.text}: {answer.why_missing}" for answer in lacking]
    return text


def plot_section(drawn):
    text = [f"![{name.replace('-', ' ')}](performance/{name}.svg)\n" for name in drawn]
    lacking = [name for name in plot.NAMES if name not in drawn]
    return text + ([f"Not drawn, because this run has no lines for it: {', '.join(lacking)}."] if lacking else [])


def line_cell(line):
    if line is None:
        return "-"
    found = line.summary()
    noisy = " `!`" if (found.spread or 0) > stats.SPREAD_MAX else ""
    return f"{figures.digits(found.median)} ({figures.quartiles(found.q1, found.q3)}){noisy}"


def case_section(results, case, variants, is_open):
    metrics = table.CLOSED + table.OPEN
    names = ["CPU all", "CPU proxies", "requests/s", "p50", "p99", "p50 open loop", "p99 open loop"]
    units = [table.unit_of(results, case, variants, metric) for metric, _ in metrics]
    titles = [f"{name}, {unit}" if unit and unit != "/s" else name for name, unit in zip(names, units)]
    over = dict(table.added(results, case, variants))
    text = [f"<details{' open' if is_open else ''}><summary>{case.words()}</summary>", "",
            *head("variant", *titles, f"added p99, {units[-1]}" if units[-1] else "added p99")]
    for variant, found in table.rows(results, case, variants, metrics):
        extra = over.get(variant)
        extra = f"{figures.digits(extra.median)} ({figures.quartiles(extra.q1, extra.q3)})" if extra else "-"
        text.append(cells(variant, *map(line_cell, found), extra))
    return [*text, "", "</details>", ""]


def line_section(results):
    text = []
    for case, variants in results.cases().items():
        is_main = (case.connections, case.body, case.protocol) == plot.MAIN
        text += case_section(results, case, variants, is_main)
    if scenarios := results.scenarios():
        text += head("scenario", "median (quartiles)", "unit", "rounds")
        text += [cells(f"`{line.id}`", line_cell(line), line.unit, line.summary().rounds) for line in scenarios]
    return text


def missing_section(results):
    text = [f"- {what}: {why}" for what, why in results.missing] or ["Nothing that was to be measured is missing."]
    return text + [f"- Note: {note}" for note in results.notes]


def repeat_section():
    return ["```sh", "make bench", "```", "",
            "`make bench-full` runs every rung at 1, 32 and 256 connections and both bodies; "
            "`make bench-NAME` runs one part.",
            "`tools/bench/report RESULTS.json --docs` writes this page out of a run, "
            "`tools/bench/report --compare A.json B.json`",
            "says on how many lines two runs agree. The peers' configurations lie in",
            "[tools/bench/peers](../tools/bench/peers), readable by whoever wants to object; the goals are",
            "[tools/bench/ladder/goals.py](../tools/bench/ladder/goals.py)."]


def compose(results, answers, drawn):
    sections = (("What was measured, and how", list(METHOD)), ("Machine and versions", machine(results.about)),
                ("Goals", goal_section(answers)), ("Plots", plot_section(drawn)), ("Lines", line_section(results)),
                ("What is missing, and why", missing_section(results)), ("Repeat it", repeat_section()))
    text = ["# Performance", "",
            "Written by `tools/bench/report`; do not edit. Absolute times are those of one noisy machine: "
            "read the ratios."]
    for title, body in sections:
        text += ["", f"## {title}", *body]
    return "\n".join(text).rstrip() + "\n"
