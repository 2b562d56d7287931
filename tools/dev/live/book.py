"""Book: what the run observed, and the rows that follow from it.

Nothing in it is assumed from an act: rates and latencies are the load clients' own (scheduled time to
answer), paths come from flow events of the kernel and the access log of the proxies, TLS from a capture of
the link between the nodes. Any thread; does no I/O; the caller gives the time.
"""
import threading
from collections import deque
from dataclasses import dataclass, field

FRESH = 3.0  # seconds for which an observation speaks for the present: clients dial anew every second
CALLS_MAX = 50_000  # remembered for each pair
POLICY_REASONS = {"policy_denied", "claimed_denied", "not_allowed"}  # bpf/include/keelson_abi/reason.def


@dataclass(frozen=True)
class Call:
    done: float
    latency: float  # seconds since it was due
    outcome: str  # HTTP status, or what went wrong
    pod: str  # that answered; empty: none did

    @property
    def is_ok(self):
        return self.outcome[:1] in ("2", "3")


@dataclass(frozen=True)
class Stats:
    count: int
    failed: int
    rps: float
    ok: float  # percent
    p50: float
    p99: float
    worst: float


@dataclass
class Row:
    source: str
    to: str
    path: str = "-"  # plain, direct, mtls, l7; "-": nothing answered yet
    stats: Stats = None
    tls: str = "-"  # 1.3, none; "-": does not cross the link
    note: str = ""  # route, or the reason of a refusal
    waiting: int = 0
    is_denied: bool = False


@dataclass
class Link:
    """One pair of pods on the link between the nodes."""
    readable: float = -1e9  # when a frame was last readable
    sealed: float = -1e9  # when a TLS record was last seen
    version: str = ""


@dataclass
class Wire:
    frames: int = 0
    readable: int = 0  # frames that showed the card number
    last_readable: float = -1e9
    latest: deque = field(default_factory=lambda: deque(maxlen=40))  # (source, destination, text)


def percentile(ordered, share):
    """Nearest rank; 0 for nothing."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


def stats_of(calls, seconds):
    latencies = sorted(call.latency for call in calls if call.is_ok)
    failed = sum(not call.is_ok for call in calls)
    good = 100.0 * (len(calls) - failed) / len(calls) if calls else 0.0
    return Stats(len(calls), failed, len(calls) / seconds if seconds > 0 else 0.0, good, percentile(latencies, 50),
                 percentile(latencies, 99), latencies[-1] if latencies else 0.0)


def short(name):
    """`pay-v1` of `shop/pay-v1` or `shop/pay-v1:80`."""
    return name.split("/")[-1].split(":")[0]


class Book:
    def __init__(self, pods, pairs):
        self.pods, self.pairs = pods, pairs
        self.by_address = {address: name for name, pod in pods.items() for address in pod.addresses}
        self.wire = Wire()
        self._calls = {pair: deque(maxlen=CALLS_MAX) for pair in pairs}
        self._waiting = dict.fromkeys(pairs, 0)
        self._flows, self._proxied, self._denied, self._links = {}, {}, {}, {}
        self._observed_since = {}  # node -> when its flow events began to arrive
        self._last_path = {}
        self._lock = threading.Lock()

    # ---- what arrives

    def add_calls(self, pair, waiting, calls):
        with self._lock:
            if pair in self._calls:
                self._calls[pair].extend(calls)
                self._waiting[pair] = waiting

    def add_flow(self, flow, now):
        """An event of the kernel, as `keelsonctl observe -o json` prints it."""
        source = short(flow.get("from", ""))
        ends = {short(flow.get("to", "")), short(flow.get("service", ""))} - {""}
        with self._lock:
            for end in ends:
                if flow.get("verdict") == "denied":
                    self._denied[source, end] = (now, flow.get("reason", ""), flow.get("policy", "").split(" ")[0])
                else:
                    self._flows[source, end] = (now, flow.get("path", ""))

    def add_access(self, record, now):
        """A line of a proxy's access log."""
        if record.get("path") == "inbound":
            return  # the caller's own proxy tells the same connection
        source = short(record.get("source", ""))
        ends = {short(record.get(name, "")) for name in ("destination", "backend", "service")} - {""}
        with self._lock:
            for end in ends:
                if record.get("reason") in POLICY_REASONS:
                    self._denied[source, end] = (now, record["reason"], record.get("policy", "").split(" ")[0])
                else:
                    self._proxied[source, end] = (now, "method" in record, record.get("rule", ""))

    def add_frames(self, report, now):
        """A report of the tap on the link."""
        with self._lock:
            for client, server, readable, sealed, version in report["pairs"]:
                ends = self.by_address.get(client, client), self.by_address.get(server, server)
                link = self._links.setdefault(ends, Link())
                link.readable = now if readable else link.readable
                link.sealed = now if sealed else link.sealed
                link.version = version or link.version
            self.wire.frames += report["frames"]
            self.wire.readable += report["readable"]
            if report["readable"]:
                self.wire.last_readable = now
            for source, destination, text in report["latest"]:
                self.wire.latest.append((self.by_address.get(source, source),
                                         self.by_address.get(destination, destination), text))

    def observing(self, node, since):
        """since: when the node's flow events began to arrive; None: they do not."""
        with self._lock:
            self._observed_since[node] = since

    # ---- what follows

    def calls(self, pair, since, until=float("inf")):
        with self._lock:
            return [call for call in self._calls[pair] if since <= call.done < until]

    def stats(self, pair, since, until):
        return stats_of(self.calls(pair, since, until), until - since)

    def share(self, pair, pod, since):
        """Percent of the answers that came from the pod."""
        answers = [call.pod for call in self.calls(pair, since) if call.pod]
        return 100.0 * answers.count(pod) / len(answers) if answers else 0.0

    def denial(self, source, to, now):
        """(reason, policy) of a refusal seen lately, or None."""
        with self._lock:
            seen = self._denied.get((source, to))
        return seen[1:] if seen and now - seen[0] < FRESH else None

    def rows(self, now, window=2.0):
        """One row for each pair and pod that answers it, in the order of the pairs."""
        rows = []
        for pair in self.pairs:
            calls = self.calls(pair, now - window)
            ends = sorted({call.pod for call in calls if call.pod})
            lost = [call for call in calls if not call.pod]
            for pod in ends:
                answered = [call for call in calls if call.pod == pod]
                rows.append(self._row(pair, pod, answered + (lost if ends == [pod] else []), len(calls), window, now))
            if not ends or (lost and len(ends) > 1):
                rows.append(self._row(pair, "", lost, len(calls), window, now))
        return rows

    def _row(self, pair, pod, calls, calls_of_pair, window, now):
        source, to = pair
        row = Row(source, pod or to, stats=stats_of(calls, window), waiting=self._waiting[pair])
        row.path, row.tls = self._path(source, to, pod, now)
        with self._lock:
            proxied = self._proxied.get((source, pod))
        denial = self.denial(source, to, now)
        if denial and (not pod or not row.stats.ok):
            row.is_denied, row.path = True, "-"
            row.note = f"deny {denial[1] or denial[0]}"
        elif row.waiting:
            row.note = f"{row.waiting} waiting"
        elif row.path == "l7" and proxied and proxied[2]:
            row.note = f"{short(proxied[2]).split('#')[0]} {100 * len(calls) / max(1, calls_of_pair):.0f} %"
        elif row.stats.failed and not pod:
            row.note = "no answer: " + max((call.outcome for call in calls), key=len)
        return row

    def _path(self, source, to, pod, now):
        with self._lock:
            path, tls = self._observed_path(source, to, pod, now)
            if path:
                self._last_path[source, pod or to] = path, tls
            return self._last_path.get((source, pod or to), ("-", "-"))

    def _observed_path(self, source, to, pod, now):
        """(path, tls) from fresh facts; ("", "") when they do not say."""
        nowhere = (-1e9, "", "")
        direct = self._flows.get((source, pod), nowhere)
        any_flow = max(direct, self._flows.get((source, to), nowhere))
        proxied = self._proxied.get((source, pod), nowhere)
        link = self._links.get((source, pod), Link())
        is_sealed = now - link.sealed < FRESH and link.sealed > link.readable
        tls = link.version or "yes" if is_sealed else "none" if now - link.readable < FRESH else "-"
        if direct[1] == "direct" and now - direct[0] < FRESH and direct[0] >= proxied[0]:
            return "direct", tls
        if now - proxied[0] < FRESH and pod:
            return "l7" if proxied[1] else "mtls" if is_sealed else "proxy", tls
        watched = self._observed_since.get(self.pods[source].node) if source in self.pods else None
        is_silent = watched is not None and now - watched > FRESH and \
            (now - any_flow[0] > FRESH or any_flow[1] == "passthrough")
        crosses = pod in self.pods and self.pods[pod].node != self.pods[source].node
        if pod and is_silent and (tls == "none" or not crosses):
            return "plain", tls
        return "", ""
