"""The report on a terminal: lines by group, then the goals, then what is missing. Pure functions to lines of text.

At most 100 columns and ASCII only: what results hold reaches the terminal as no control character.
"""
import textwrap

from ladder import figures, stats

WIDTH = 100
CLEAR, BOLD, DIM, RED, GREEN, YELLOW = "0", "1", "2", "31", "32", "33"
CLOSED = (("cpu_all", "CPU ALL"), ("cpu_proxies", "CPU PROXIES"), ("rps", "REQUESTS/S"), ("p50", "P50"),
          ("p99", "P99"))
OPEN = (("p50_open", "P50"), ("p99_open", "P99"))
VERDICT_STYLE = {"met": GREEN, "stated": GREEN, "not met": RED, "not measured": YELLOW}
GOAL_HEAD = (f"{'GOAL':<34} {'FIGURE':<7} {'QUARTILES':<12} {'SPREAD':<6} {'OWN':<8} {'PEER':<7} {'LIMIT':<7} VERDICT")


def printable(text):
    return "".join(c if " " <= c <= "~" else "?" for c in text)


def paint(spans, colour):
    """One line of (text, style) spans, cut at the width."""
    line, left = "", WIDTH
    for text, style in spans:
        text = printable(text)[:left]
        left -= len(text)
        line += f"\x1b[{style}m{text}\x1b[0m" if colour and style != CLEAR and text else text
    return line if colour else line.rstrip()


def cell(line):
    """A median with its quartiles; `!` where the spread passes what one run can stand for."""
    if line is None:
        return f"{'-':>5}"
    found = line.summary()
    noisy = "!" if (found.spread or 0) > stats.SPREAD_MAX else ""
    return f"{figures.digits(found.median):>5}{noisy or ' '}{figures.quartiles(found.q1, found.q3)}"


def rows(results, case, variants, metrics):
    """Rows of the variants that have one of the metrics."""
    for variant in variants:
        lines = [results.lines.get(case.id(variant, metric)) for metric, _ in metrics]
        if any(lines):
            yield variant, lines


def unit_of(results, case, variants, metric):
    units = [results.lines[id_].unit for variant in variants if (id_ := case.id(variant, metric)) in results.lines]
    return figures.SUFFIX.get(units[0], units[0]) if units else ""


def block(title, results, case, variants, metrics):
    found = list(rows(results, case, variants, metrics))
    if not found:
        return
    names = []
    for metric, name in metrics:
        unit = unit_of(results, case, variants, metric)
        names.append(f"{name} {unit}".strip() if unit and unit != "/s" else name)
    yield [(title, BOLD)]
    yield [(f"  {'VARIANT':<13} " + "".join(f"{name:<17}" for name in names), DIM)]
    for variant, lines in found:
        yield [(f"  {variant:<13} " + "".join(f"{cell(line):<17}" for line in lines), CLEAR)]
    yield []


def added(results, case, variants):
    """What each variant adds to the p99 of no mesh, round by round: (variant, Summary)."""
    base = results.lines.get(case.id("none", "p99_open"))
    for variant in variants:
        line = results.lines.get(case.id(variant, "p99_open"))
        if variant == "none" or line is None or base is None:
            continue
        try:
            yield variant, stats.summary(stats.differences(line.samples, base.samples))
        except stats.NoPairs:
            continue


def open_block(results, case, variants):
    over = dict(added(results, case, variants))
    unit = unit_of(results, case, variants, "p99_open")
    lines = list(block(f"{case.words()}: open loop at 40 % of the slowest variant", results, case, variants, OPEN))
    for number, spans in enumerate(lines):
        if number == 1:
            spans[0] = (spans[0][0] + f"ADDED P99 {figures.SUFFIX.get(unit, unit)}", DIM)
        elif spans and (name := spans[0][0].split()[0]) in over and number > 1:
            found = over[name]
            spans[0] = (f"{spans[0][0]}{figures.digits(found.median):>5} "
                        f"{figures.quartiles(found.q1, found.q3)}", CLEAR)
    return lines


def line_blocks(results):
    for case, variants in results.cases().items():
        yield from block(f"{case.words()}: closed loop", results, case, variants, CLOSED)
        yield from open_block(results, case, variants)
    if scenarios := results.scenarios():
        yield [("scenarios", BOLD)]
        yield [(f"  {'LINE':<48} {'MEDIAN':<9} {'QUARTILES':<14} {'UNIT':<14} ROUNDS", DIM)]
        for line in scenarios:
            found = line.summary()
            yield [(f"  {line.id:<48} {figures.digits(found.median):<9} {figures.quartiles(found.q1, found.q3):<14} "
                    f"{line.unit:<14} {found.rounds}", CLEAR)]
        yield []


def goal_line(answer):
    word = figures.verdict(answer)
    own, peer = (figures.with_unit(figure, answer.own_unit) for figure in (answer.own, answer.peer))
    text = (f"{answer.title:<34} {figures.goal_figure(answer):<7} {figures.goal_quartiles(answer):<12} "
            f"{figures.share(answer.spread):<6} {own:<8} {peer:<7} {figures.goal_limit(answer):<7} ")
    return [(text, CLEAR), (word, VERDICT_STYLE[word.removesuffix(" ~")])]


def reason(text):
    return [[(line, DIM)] for line in textwrap.wrap(printable(text), WIDTH, initial_indent="    ",
                                                    subsequent_indent="    ")]


def goal_block(answers):
    yield [("goals", BOLD)]
    yield [(GOAL_HEAD, DIM)]
    for answer in answers:
        yield goal_line(answer)
        if answer.met is None:
            yield from reason(answer.why_missing)
    yield []
    yield [(tally(answers), BOLD)]


def tally(answers):
    counts = [sum(answer.met is state for answer in answers) for state in (True, False, None)]
    return f"goals: {counts[0]} met, {counts[1]} not met, {counts[2]} not measured"


def about_line(about):
    names = ("date", "commit", "mode", "kernel", "cpu", "cores", "congestion_control")
    return "  ".join(f"{name.replace('_', ' ')} {about[name]}" for name in names if name in about)


def compose(results, answers, colour):
    lines = [[(line, DIM)] for line in textwrap.wrap(printable(about_line(results.about)), WIDTH)] + [[]]
    lines += [*line_blocks(results), *goal_block(answers)]
    for title, texts in (("missing", [f"{what}: {why}" for what, why in results.missing]), ("notes", results.notes)):
        if texts:
            lines += [[], [(title, BOLD)], *(line for text in texts for line in reason(text))]
    lines += [[], *([(line, DIM)] for line in LEGEND)]
    return [paint(spans, colour) for spans in lines]


LEGEND = ("CPU: time per request of client, origin and proxies (all), and of the proxies alone.",
          "Figures are medians over rounds, with their quartiles; ratios are made within each round.",
          f"!: the quartiles lie more than {stats.SPREAD_MAX * 100:.0f} % of the median apart.  "
          "~: the limit lies within the quartiles.")
