"""Goals: what the ladder is to show, each with its lines, relation and limit, and how results answer them.

Pure functions on Results. A goal whose lines are missing is not measured, with the reason; it is never met.
Ratios are made round by round and judged by their median, but for a goal that asks for the bound. Where a pattern
finds several lines, the worst of them answers, and all that are wanted have to be there.
"""
from dataclasses import dataclass

from ladder import stats

# What a unit is of its kind's base unit. A line in a unit of another kind answers no goal.
UNITS = {"us": ("s", 1e-6), "ms": ("s", 1e-3), "s": ("s", 1.0), "KiB": ("B", 1024.0), "MiB": ("B", 1048576.0),
         "%": ("", 0.01), "": ("", 1.0), "1": ("", 1.0), "x": ("", 1.0)}


@dataclass(frozen=True)
class Goal:
    id: str
    title: str  # at most 34 columns
    text: str
    relation: str  # "<=", ">=", or "stated": there is no limit, the figure itself is wanted
    limit: float | None
    own: str  # line id, `*` for a segment
    peer: str = ""  # line of the same group
    form: str = "ratio"  # own / peer; "difference": own - peer; "value": own
    base: str = ""  # what is taken off own and peer before they are shown (form "difference")
    unit: str = "x"  # of figure and limit
    bound: str = ""  # "lower": the lower 95 % bound of the ratio is judged
    lines: int = 1  # that `own` has to find
    scenario: str = ""  # as the run calls it, where `own` does not say so


@dataclass
class Answer:
    """JSON of a goal: figure, quartiles and spread as judged; own and peer as measured (own_unit)."""
    id: str
    title: str
    text: str
    relation: str
    limit: float | None
    unit: str
    own_line: str
    peer_line: str
    figure: float | None = None
    q1: float | None = None
    q3: float | None = None
    spread: float | None = None
    rounds: int = 0
    own: float | None = None
    peer: float | None = None
    own_unit: str = ""
    figure_all: float | None = None  # the same ratio with client and origin, where proxies alone are judged
    is_close: bool = False  # the limit lies within the quartiles
    met: bool | None = None
    why_missing: str = ""


class Missing(Exception):
    """A line that a goal needs is not there, or cannot answer it."""


def rung(group, variant, metric, body="1k"):
    return f"{group}/{variant}/c32/{body}/h1/{metric}"


def cpu(id_, title, text, limit, group, own, peer, body="1k"):
    """A goal on the CPU time per request of the proxies."""
    return Goal(id_, title, text, "<=", limit, rung(group, own, "cpu_proxies", body),
                rung(group, peer, "cpu_proxies", body))


def value(id_, title, text, relation, limit, unit, own, **more):
    return Goal(id_, title, text, relation, limit, own, form="value", unit=unit, **more)


GOALS = (
    Goal("direct-rps", "direct: requests / no mesh, bound",
         "Direct, same node: lower 95 % bound of round trips against no mesh", ">=", 0.97,
         rung("same-node", "direct", "rps"), rung("same-node", "none", "rps"), bound="lower"),
    Goal("direct-cpu", "direct: CPU / no mesh", "Direct, same node: CPU per request of all processes against no mesh",
         "<=", 1.03, rung("same-node", "direct", "cpu_all"), rung("same-node", "none", "cpu_all")),
    Goal("policy-cpu", "connect CPU: 100,000 / 10 rules", "CPU of a connect at 100,000 rules against 10 rules",
         "<=", 1.03,
         "policy-scale/rules100000/connect_cpu", "policy-scale/rules10/connect_cpu"),
    Goal("policy-p50", "connect p50: 100,000 / 10 rules", "Median time of a connect at 100,000 rules against 10 rules",
         "<=", 1.03, "policy-scale/rules100000/connect_p50", "policy-scale/rules10/connect_p50"),
    cpu("l7-relay", "L7 hop: CPU / null relay", "One L7 hop, 1,000 services, metrics and access log on: CPU "
        "per request "
        "against the null relay", 1.15, "same-node", "keelson-l7", "relay"),
    cpu("l7-haproxy", "L7 hop: CPU / HAProxy", "One L7 hop: CPU per request against HAProxy", 0.88,
        "same-node", "keelson-l7", "haproxy-http"),
    cpu("l7-envoy", "L7 hop: CPU / Envoy", "One L7 hop: CPU per request against Envoy", 0.45, "same-node", "keelson-l7",
        "envoy-http"),
    Goal("l7-instructions", "L7 hop: instructions / HAProxy",
         "One L7 hop: user instructions per HTTP/1.1 request against HAProxy", "<=", 0.5,
         "instructions/h1_exchange", "instructions/haproxy"),
    cpu("l4-hbone", "L4 pair: CPU / Envoy HBONE pair", "Cross-node, L4 only: CPU per request of both nodes' "
        "proxies against "
        "an Envoy HBONE pair", 0.9, "cross-node", "keelson-l4", "envoy-hbone"),
    cpu("l4-haproxy", "L4 pair: CPU / HAProxy TCP pair",
        "Cross-node, L4 only: CPU per request against HAProxy's TCP pair with mTLS", 0.75,
        "cross-node", "keelson-l4", "haproxy-tcp"),
    Goal("l4-added-p99", "L4 pair: added p99 - Envoy HBONE's", "Cross-node, L4 only, open loop at 40 % load: added p99 "
         "(above no mesh) less that of the Envoy HBONE pair", "<=", 0.0, rung("cross-node", "keelson-l4", "p99_open"),
         rung("cross-node", "envoy-hbone", "p99_open"), form="difference", base=rung("cross-node", "none", "p99_open"),
         unit="us"),
    cpu("l7-pair-h1", "L7 pair: CPU / HAProxy HTTP/1 pair", "Cross-node, L7: CPU per request of both nodes' "
        "proxies against "
        "HAProxy's HTTP/1 pair with mTLS", 0.6, "cross-node", "keelson-l7", "haproxy-h1"),
    cpu("l7-pair-h2", "L7 pair: CPU / HAProxy HTTP/2 pair",
        "Cross-node, L7: CPU per request against HAProxy with HTTP/2 between the nodes", 0.9,
        "cross-node", "keelson-l7", "haproxy-h2"),
    cpu("l7-pair-envoy", "L7 pair: CPU / Envoy HTTP pair",
        "Cross-node, L7: CPU per request against an Envoy HTTP pair", 0.35,
        "cross-node", "keelson-l7", "envoy-http"),
    cpu("bulk-l7", "L7 pair, 64 KiB: CPU / HAProxy",
        "64 KiB bodies through the L7 pair: CPU against HAProxy's HTTP/1 pair",
        0.5, "cross-node", "keelson-l7", "haproxy-h1", "64k"),
    cpu("bulk-l4", "L4 pair, 64 KiB: CPU / HAProxy",
        "64 KiB bodies through the L4 pair: CPU against HAProxy's TCP pair",
        0.5, "cross-node", "keelson-l4", "haproxy-tcp", "64k"),
    value("workers", "two workers / one: requests", "Requests per second of two workers against one", ">=", 1.7, "x",
          "workers/two-over-one/rps_ratio"),
    Goal("handshake", "mutual handshake: CPU / OpenSSL", "CPU of a full mutual TLS handshake against stock OpenSSL",
         "<=",
         0.8, "handshake/keelson/cpu", "handshake/openssl/cpu"),
    value("churn", "handshakes per new connection",
          "TLS handshakes per new connection under churn between one pod pair",
          "<=", 0.02, "", "churn/keelson/handshakes_per_connection"),
    value("idle-pair", "1,000 idle connections, worse side",
          "Memory of 1,000 idle connections between one pod pair, a side",
          "<=", 2.0, "MiB", "idle/*-side/mib", lines=2),
    value("idle-pairs", "900 pairs, one connection each", "Memory of 900 pod pairs with one connection each", "stated",
          None,
          "MiB", "idle/pairs900/mib", scenario="idle-pairs"),
    value("fairness-p99", "victim p99 / alone, worst flood", "Fairness: p99 of the victim under the worst of five "
          "floods "
          "against alone", "<=", 2.0, "x", "fairness/*/p99_ratio", lines=5),
    value("fairness-served", "victim served, worst flood", "Fairness: share of the victim's requests that is served "
          "under "
          "the worst of five floods", ">=", 0.999, "", "fairness/*/served", lines=5),
    value("enforce-new", "policy change: new connections", "p99 from the arrival of a policy change until new "
          "connections "
          "obey it", "<=", 2.0, "ms", "enforcement/new/ms_p99"),
    value("enforce-cut", "policy change: established cut", "p99 from the arrival of a policy change until established "
          "connections are cut; nothing is added here for what each namespace costs", "<=", 50.0, "ms",
          "enforcement/cut/ms_p99"),
    value("scale-ready", "1,000 services: ready", "1,000 services and 10,000 pods: ready", "<=", 1.0, "s",
          "config-scale/ready_s"),
    value("scale-agent", "1,000 services: agent", "1,000 services and 10,000 pods: memory of the agent",
          "<=", 64.0, "MiB",
          "config-scale/agent_mib"),
    value("scale-proxy", "1,000 services: proxy", "1,000 services and 10,000 pods: memory of the proxy",
          "<=", 32.0, "MiB",
          "config-scale/proxy_mib"),
    value("kube-ready", "100,000 pods: ready", "5,000 nodes, 10,000 services and 100,000 pods at an API server: start "
          "to ready", "<=", 5.0, "s", "kube-scale/ready_s"),
    value("kube-peak", "100,000 pods: agent, peak", "100,000 pods: memory of the agent, peak", "<=", 256.0, "MiB",
          "kube-scale/peak_mib"),
    value("kube-settled", "100,000 pods: agent, settled", "100,000 pods: memory of the agent, settled", "<=", 256.0,
          "MiB", "kube-scale/settled_mib"),
    value("kube-endpoint", "100,000 pods: endpoint to kernel", "100,000 pods: one endpoint's change at the API server "
          "until it is in the kernel's map, slowest of 10", "<=", 50.0, "ms", "kube-scale/endpoint_ms_max"),
    value("kube-resync", "100,000 pods: rows of a resync", "100,000 pods: rows written by a resync after 410 Gone that "
          "brings nothing new", "<=", 0.0, "", "kube-scale/resync_writes"),
    value("kube-restart", "100,000 pods: rows of a restart", "100,000 pods: rows written by an agent that starts on "
          "the maps of the one before it", "<=", 0.0, "", "kube-scale/restart_writes"),
)


def one(results, id_):
    if id_ not in results.lines:
        raise Missing(results.why_missing(id_))
    return results.lines[id_]


def same_unit(lines):
    units = {line.unit for line in lines}
    if len(units) > 1:
        raise Missing(f"units differ: {', '.join(sorted(units))}")
    return lines[0].unit


def in_unit(line, unit):
    """The samples of a line in another unit of the same kind."""
    kind, factor = UNITS.get(line.unit, (None, 0.0))
    wanted, per = UNITS[unit]
    if kind != wanted:
        raise Missing(f"{line.id} is in '{line.unit}', '{unit}' is wanted")
    return [None if sample is None else sample * factor / per for sample in line.samples]


def worst_value(goal, results):
    """(samples, what is not there): those of the line that is farthest on the wrong side."""
    lines = results.matching(goal.own)
    if not lines:
        raise Missing(goal.scenario and results.told(goal.scenario) or results.why_missing(goal.own))
    choose = min if goal.relation == ">=" else max
    told = results.told(goal.own)
    worst = choose((in_unit(line, goal.unit) for line in lines), key=lambda samples: stats.summary(samples).median)
    lack = "" if len(lines) >= goal.lines else f"{len(lines)} of {goal.lines} lines of {goal.own}{told and f'; {told}'}"
    return worst, lack


def fill_compared(goal, results, answer):
    """Ratio or difference of two lines, round by round; returns the values."""
    own, peer = one(results, goal.own), one(results, goal.peer)
    answer.own_unit = same_unit([own, peer])
    if goal.form == "ratio":
        answer.own, answer.peer = own.summary().median, peer.summary().median
        return stats.ratios(own.samples, peer.samples)
    base = one(results, goal.base)
    if same_unit([own, base]) != goal.unit:
        raise Missing(f"{own.id} is in '{own.unit}', '{goal.unit}' is wanted")
    rounds = stats.paired(own.samples, peer.samples, base.samples)
    answer.own = stats.summary([mine - floor for mine, _, floor in rounds]).median
    answer.peer = stats.summary([theirs - floor for _, theirs, floor in rounds]).median
    return [mine - theirs for mine, theirs, _ in rounds]


def figure_all(goal, results):
    ids = [id_.replace("/cpu_proxies", "/cpu_all") for id_ in (goal.own, goal.peer)]
    if not goal.own.endswith("/cpu_proxies") or any(id_ not in results.lines for id_ in ids):
        return None
    try:
        return stats.summary(stats.ratios(*(results.lines[id_].samples for id_ in ids))).median
    except stats.NoPairs:
        return None


def judge(goal, figure):
    if goal.relation == "stated":
        return True
    return figure <= goal.limit if goal.relation == "<=" else figure >= goal.limit


def fill(goal, results, answer):
    lack = ""
    if goal.form == "value":
        values, lack = worst_value(goal, results)
        answer.own_unit = goal.unit
        answer.own = stats.summary(values).median
    else:
        values = fill_compared(goal, results, answer)
    found = stats.summary(values)
    answer.q1, answer.q3, answer.rounds = found.q1, found.q3, found.rounds
    answer.spread = None if goal.form == "difference" else found.spread  # a share of a difference near 0 says nothing
    answer.figure = stats.lower_bound(values) if goal.bound else found.median
    answer.figure_all = figure_all(goal, results)
    if answer.figure is None:
        raise Missing(f"{found.rounds} rounds: under five there is no bound of 95 %")
    met = judge(goal, answer.figure)
    if lack and met:
        raise Missing(lack)  # what is there meets the limit, what is not might not
    answer.met = met
    answer.is_close = goal.limit is not None and found.q1 <= goal.limit <= found.q3


def evaluate(goal, results):
    answer = Answer(goal.id, goal.title, goal.text, goal.relation, goal.limit, goal.unit, goal.own, goal.peer)
    try:
        fill(goal, results, answer)
    except (Missing, stats.NoPairs) as lack:
        answer.why_missing = str(lack)
    return answer


def evaluate_all(results, goals=GOALS):
    return [evaluate(goal, results) for goal in goals]
