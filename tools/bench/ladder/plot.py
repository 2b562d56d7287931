"""Plots: results to SVG pictures, one name each. Pure functions; the drawing itself is in svg.py.

Our variants are in the accent colour, floors and peers in grey. What has no lines is not drawn: draw_all() leaves
its name out and the page says so.
"""
from ladder import figures, lines, svg

WIDTH, LEFT, RIGHT = 760, 120, 690
TOP, ROW, FOOT = 66, 34, 44
MAIN = (32, "1k", "h1")  # connections, body, protocol of the case that is drawn
GROUPS = ("same-node", "cross-node")
NAMES = tuple(f"{kind}-{group}" for kind in ("cpu", "latency") for group in GROUPS) + ("policy-scale",)


def colour(variant):
    return svg.ACCENT if lines.is_ours(variant) else svg.INK


def main_case(results, group):
    """(Case, variants) of the group that is drawn; the first one of the run when the main one was not run."""
    cases = [(case, variants) for case, variants in results.cases().items() if case.group == group]
    main = [entry for entry in cases if (entry[0].connections, entry[0].body, entry[0].protocol) == MAIN]
    return (main or cases or [(None, [])])[0]


def series(results, case, variants, metrics):
    """Rows (variant, Summary of each metric) of the variants that have all of the metrics."""
    for variant in variants:
        found = [results.lines.get(case.id(variant, metric)) for metric in metrics]
        if all(found):
            yield variant, [line.summary() for line in found]


def frame(title, note, height, axis, ticks, unit):
    """Title, note, ticks with grid lines and the axis' label for a picture of rows."""
    bottom = height - FOOT
    parts = [svg.text(16, 24, title, size=15, weight="600"), svg.text(16, 44, note)]
    for tick in ticks:
        x = axis.at(tick)
        parts.append(svg.line(x, TOP - 8, x, bottom, opacity=0.3))
        parts.append(svg.text(x, bottom + 16, figures.tick(tick), "middle"))
    parts.append(svg.text((LEFT + RIGHT) / 2, bottom + 34, unit, "middle"))
    return parts


def name_of(variant, y):
    weight = "600" if lines.is_ours(variant) else "normal"
    return svg.text(LEFT - 10, y + 4, variant, "end", colour(variant), weight=weight)


def cpu_row(variant, whole, proxies, y, axis):
    paint = colour(variant)
    start = axis.at(0)
    parts = [name_of(variant, y), svg.bar(start, y - 11, axis.at(whole.median) - start, 11, paint, 0.12)]
    if proxies.median > 0:
        parts += [svg.bar(start, y, axis.at(proxies.median) - start, 11, paint, 0.6),
                  svg.whisker(axis.at(proxies.q1), axis.at(proxies.q3), y + 5.5, paint)]
    parts.append(svg.whisker(axis.at(whole.q1), axis.at(whole.q3), y - 5.5, paint))
    right = max(axis.at(found) for found in (whole.q3, proxies.q3)) + 8
    words = figures.digits(whole.median) + (f" / {figures.digits(proxies.median)}" if proxies.median > 0 else "")
    return parts + [svg.text(right, y + 4, words, colour=paint)]


def with_proxies(results, case, variants):
    """Rows of CPU time; where no proxy is on the way its share is 0."""
    for variant, (whole,) in series(results, case, variants, ("cpu_all",)):
        line = results.lines.get(case.id(variant, "cpu_proxies"))
        yield variant, whole, line.summary() if line else type(whole)(0.0, 0.0, 0.0, whole.rounds)


def draw_cpu(results, group):
    case, variants = main_case(results, group)
    rows = list(with_proxies(results, case, variants)) if case else []
    if not rows:
        return None
    ticks = svg.linear_ticks(max(whole.q3 for _, whole, _ in rows) or 1.0)
    axis = svg.Axis(0, ticks[-1], LEFT, RIGHT - 60)
    height = TOP + ROW * len(rows) + FOOT
    title = f"CPU time per request: {case.words()}"
    unit = results.lines[case.id(rows[0][0], "cpu_all")].unit
    parts = frame(title, "upper bar: client, origin and proxies; lower bar: proxies alone; "
                  "whiskers: quartiles of the rounds",
                  height, axis, ticks, f"{unit} of CPU time per request, lower is better")
    for number, (variant, whole, proxies) in enumerate(rows):
        parts += cpu_row(variant, whole, proxies, TOP + ROW * number + ROW / 2, axis)
    return svg.picture(WIDTH, height, title, parts)


def latency_row(variant, found, y, axis):
    paint = colour(variant)
    p50, p99 = found
    parts = [name_of(variant, y), svg.line(axis.at(p50.median), y, axis.at(p99.median), y, paint, 2, 0.35)]
    for summary, is_filled in ((p50, False), (p99, True)):
        parts += [svg.whisker(axis.at(summary.q1), axis.at(summary.q3), y, paint),
                  svg.dot(axis.at(summary.median), y, paint, is_filled)]
    words = f"{figures.digits(p50.median)} / {figures.digits(p99.median)}"
    return parts + [svg.text(axis.at(p99.q3) + 10, y + 4, words, colour=paint)]


def draw_latency(results, group):
    case, variants = main_case(results, group)
    if not case:
        return None
    how, metrics = "open loop at 40 % of the slowest variant", ("p50_open", "p99_open")
    rows = list(series(results, case, variants, metrics))
    if not rows:
        how, metrics = "closed loop: full load, much of it is queueing", ("p50", "p99")
        rows = list(series(results, case, variants, metrics))
    if not rows:
        return None
    values = [value for _, found in rows for summary in found for value in (summary.q1, summary.q3)]
    if min(values) <= 0:
        return None
    ticks = svg.log_ticks(min(values), max(values))
    axis = svg.Axis(ticks[0], ticks[-1], LEFT, RIGHT - 60, True)
    height = TOP + ROW * len(rows) + FOOT
    title = f"Latency: {case.words()}"
    unit = results.lines[case.id(rows[0][0], metrics[0])].unit
    parts = frame(title, f"{how}; ring: p50, disc: p99; whiskers: quartiles of the rounds", height, axis, ticks,
                  f"{unit}, logarithmic, lower is better")
    for number, (variant, found) in enumerate(rows):
        parts += latency_row(variant, found, TOP + ROW * number + ROW / 2, axis)
    return svg.picture(WIDTH, height, title, parts)


def policy_points(results, metric):
    """(rules, Summary) in the order of rules."""
    prefix, points = "policy-scale/rules", []
    for line in results.matching(f"policy-scale/rules*/{metric}"):
        rules = line.id.removeprefix(prefix).split("/")[0]
        if rules.isdigit() and int(rules) > 0:
            points.append((int(rules), line.summary()))
    return sorted(points, key=lambda point: point[0])


def policy_curve(points, across, up, name, is_filled):
    places = [(across.at(rules), up.at(found.median)) for rules, found in points]
    dash = {} if is_filled else {"stroke_dasharray": "6 4"}
    parts = [svg.element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), fill="none",
                         stroke=svg.ACCENT, stroke_width=2, **dash)]
    for (_, found), (x, y) in zip(points, places):
        parts += [svg.whisker_upright(x, up.at(found.q1), up.at(found.q3), svg.ACCENT),
                  svg.dot(x, y, svg.ACCENT, is_filled),
                  svg.text(x, up.at(found.q3) - 8, figures.digits(found.median), "middle", svg.ACCENT)]
    return parts + [svg.text(places[-1][0] + 12, places[-1][1] + 4, name, colour=svg.ACCENT, weight="600")]


def draw_policy(results):
    curves = [(name, points, is_filled) for metric, name, is_filled in
              (("connect_cpu", "CPU", True), ("connect_p50", "p50", False))
              if len(points := policy_points(results, metric)) > 1]
    if not curves:
        return None
    top, bottom, height = TOP, 300, 350
    rules = sorted({count for _, points, _ in curves for count, _ in points})
    ticks = svg.linear_ticks(max(found.q3 for _, points, _ in curves for _, found in points) or 1.0)
    across = svg.Axis(rules[0], rules[-1], 90, RIGHT - 40, True)
    up = svg.Axis(0, ticks[-1], bottom, top)
    title = "Connect against the number of policy rules"
    parts = [svg.text(16, 24, title, size=15, weight="600"),
             svg.text(16, 44, "one new connection, keelson on the node; whiskers: quartiles of the rounds")]
    for tick in ticks:
        parts += [svg.line(80, up.at(tick), RIGHT - 20, up.at(tick), opacity=0.3),
                  svg.text(72, up.at(tick) + 4, figures.tick(tick), "end")]
    for count in rules:
        parts += [svg.line(across.at(count), bottom, across.at(count), bottom + 5),
                  svg.text(across.at(count), bottom + 20, f"{count:,}", "middle")]
    unit = next(line.unit for line in results.matching("policy-scale/rules*/connect_*"))
    parts += [svg.text((90 + RIGHT - 40) / 2, bottom + 40, "policy rules, logarithmic", "middle"),
              svg.element("g", svg.text(0, 0, f"{unit} per connect", "middle"),
                          transform=f"translate(24 {(top + bottom) / 2:.0f}) rotate(-90)")]
    for name, points, is_filled in curves:
        parts += policy_curve(points, across, up, name, is_filled)
    return svg.picture(WIDTH, height, title, parts)


def draw_all(results):
    """name -> SVG of what this run can draw."""
    drawn = {f"cpu-{group}": draw_cpu(results, group) for group in GROUPS}
    drawn |= {f"latency-{group}": draw_latency(results, group) for group in GROUPS}
    drawn["policy-scale"] = draw_policy(results)
    return {name: drawn[name] for name in NAMES if drawn[name]}
