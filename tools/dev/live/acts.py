"""The acts of `make run`, and the moves that they and the keys share.

A move changes one thing, prints the kubectl and keelsonctl commands that it stands for and waits until the
change shows; an act makes moves and checks what was observed. Acts raise Ended when the run is told to end.
"""
import re
import time

from live.screen import latency, table
from live.sources import DEMO, Feed

PAIRS = (("web", "cart"), ("web", "ads"), ("cart", "pay"), ("mallory", "pay"))
DIRECT, CAPTURED = (("web", "cart"),), (("web", "ads"), ("cart", "pay"))
LOADED = ("web", "cart", "mallory")
CONNECTIONS = {("web", "ads"): 2, ("cart", "pay"): 4}  # of the load clients: what a dead proxy can hold
MEASURE = 4.0  # seconds of a figure in the table


class Scene:
    """What the acts share."""

    def __init__(self, lab, play, make_book):
        self.lab, self.play, self.make_book = lab, play, make_book
        self.book = self.feed = None
        self.before, self.after, self.after_rows = {}, {}, []
        self.meshed_since = None  # when the last readable frame was gone
        self.is_meshed = self.is_denied = False

    def open(self):
        """Empty when the lab is up and watched, else why not."""
        trouble = self.lab.up(DEMO)
        if not trouble:
            self.book = self.make_book(self.lab.pods(), PAIRS)
            self.feed = Feed(self.lab, self.book, LOADED)
            self.feed.start()
        return trouble

    def close(self):
        if self.feed:
            self.feed.stop()
        return self.lab.down()

    def apply(self, file):
        return self.lab.lab("apply", DEMO / file)

    def rows(self):
        return {(row.source, row.to): row for row in self.book.rows(time.monotonic())}

    def path(self, source, to):
        row = self.rows().get((source, to))
        return row.path if row else "-"

    def flows(self, pairs, ok=99.0, seconds=1.0):
        """Every pair had answers lately, and nearly all were good."""
        now = time.monotonic()
        stats = [self.book.stats(pair, now - seconds, now) for pair in pairs]
        return all(one.count and one.ok >= ok for one in stats)

    def failures(self, pairs, since):
        return {f"{call.outcome} {source} > {to}" for source, to in pairs
                for call in self.book.calls((source, to), since) if not call.is_ok}

    def count_failures(self, pair, since):
        return sum(not call.is_ok for call in self.book.calls(pair, since))


# ---- moves

def is_ready_for(scene, what):
    """A key may come before the label: then it says so and changes nothing."""
    if not scene.is_meshed:
        scene.play.step(f"The shop is not in the mesh yet (m): no {what}")
    return scene.is_meshed


def mesh_on(scene):
    play = scene.play
    play.step("The label lands: nothing restarts", "kubectl label namespace shop keelson.dev/mesh=enabled",
              "keelsonctl --node node1 observe --from shop/web")
    began = time.monotonic()
    scene.apply("later/shop-meshed.yaml")
    took = play.wait_for(lambda: all(scene.lab.is_whole(node) for node in ("node1", "node2")) and
                         scene.lab.status("node1")["pods"]["ready"] == 2)
    play.expect("every pod of the shop is in the mesh", took is not None, f"{time.monotonic() - began:.1f} s")
    scene.is_meshed = True
    return began


def mesh_off(scene):
    scene.play.step("The label goes: out of the mesh", "kubectl label namespace shop keelson.dev/mesh-",
                    "keelsonctl --node node1 config workloads")
    scene.apply("later/shop-unmeshed.yaml")
    scene.is_meshed, scene.meshed_since = False, None
    took = scene.play.wait_for(lambda: scene.path("web", "cart") == "plain")
    scene.play.expect("the rows are plain again", took is not None, f"{took:.1f} s" if took else "")


def route(scene, file, title):
    """False when it could not be applied."""
    if not is_ready_for(scene, "route"):
        return False
    scene.play.step(title, f"kubectl apply -f tools/dev/demo/{file}",
                    "keelsonctl --node node1 why shop/cart shop/pay:80")
    scene.apply(file)
    return True


def canary_route(scene, percent):
    return route(scene, f"later/pay-canary-{percent}.yaml", f"Canary: {percent} % of the requests for pay to v2")


def stable_route(scene):
    return route(scene, "60-pay-route.yaml", "Roll back: all requests for pay to v1")


def deny(scene):
    """When the policy was saved; None when nobody could enforce it."""
    play = scene.play
    if not is_ready_for(scene, "policy"):
        return None
    play.step("Only cart may call pay", "kubectl apply -f tools/dev/demo/later/pay-callers.yaml",
              "keelsonctl --node node2 why outlaw/mallory shop/pay:80")
    saved = time.monotonic()
    scene.apply("later/pay-callers.yaml")
    scene.is_denied = True
    pair = ("mallory", "pay")
    play.wait_for(lambda: scene.count_failures(pair, saved) > 0, 10)
    refused = [call for call in scene.book.calls(pair, saved) if not call.is_ok]
    play.expect("mallory is refused at once", bool(refused), f"{refused[0].outcome}, "
                f"{refused[0].done - saved:.2f} s from save to enforcement" if refused else "still answered")
    return saved


def undeny(scene):
    scene.play.step("The policy goes", "kubectl delete authorizationpolicy -n shop pay-callers",
                    "keelsonctl --node node2 config policies")
    scene.lab.lab("delete", "AuthorizationPolicy/shop/pay-callers")
    scene.is_denied = False
    took = scene.play.wait_for(lambda: scene.flows([("mallory", "pay")]))
    scene.play.expect("mallory is answered again", took is not None, f"{took:.1f} s" if took else "")


def kill(scene, components):
    """kill -9 on node1. The kernel's part goes on; what needs a proxy waits for the next one."""
    play = scene.play
    if not is_ready_for(scene, "kill"):
        return
    play.step(f"kill -9 of the {' and the '.join(components)} of node1",
              *(f"lab kill {component} node1" for component in components), "keelsonctl --node node1 status")
    before, killed = scene.lab.pids(), time.monotonic()
    for component in components:
        scene.lab.lab("kill", component, "node1")
    took = play.wait_for(lambda: is_renewed(scene, components, before) and scene.lab.is_whole("node1"), 20)
    play.expect("the node is whole again", took is not None, f"{took:.1f} s" if took else "")
    play.wait(1.5)  # what waited has been answered
    check_direct(scene, killed)
    check_captured(scene, killed, "proxy" in components)
    play.wait(0.5)
    play.expect("afterwards all is well", play.wait_for(lambda: steady(scene), 10) is not None)


def is_renewed(scene, components, before):
    now = scene.lab.pids()
    return all(now.get(name) not in (None, "-", before.get(name))
               for name in (f"{component}@node1" for component in components))


def steady(scene):
    return scene.flows(DIRECT + CAPTURED)


def check_direct(scene, since):
    now = time.monotonic()
    for pair in DIRECT:
        stats = scene.book.stats(pair, since, now)
        scene.play.expect(f"{pair[0]} > {pair[1]}, direct, did not notice",
                          stats.count > 0 and stats.failed == 0 and scene.path(*pair) == "direct",
                          f"{stats.failed} of {stats.count} failed, slowest {latency(stats.worst)}")


def check_captured(scene, since, is_proxy_dead):
    """A dead proxy loses what it held, by reset; everything else waits. Without its death nothing is lost."""
    now = time.monotonic()
    for pair in CAPTURED:
        stats = scene.book.stats(pair, since, now)
        outcomes = {call.outcome for call in scene.book.calls(pair, since) if not call.is_ok}
        lost = f"{stats.failed} of {stats.count}"
        slowest = f"slowest {latency(stats.worst)}"
        if is_proxy_dead:
            scene.play.expect(f"{pair[0]} > {pair[1]} waited and went on",
                              stats.failed <= CONNECTIONS[pair] and outcomes <= {"reset"} and stats.count,
                              f"{lost} reset in flight, {slowest}")
        else:
            scene.play.expect(f"{pair[0]} > {pair[1]} went on", stats.count and stats.failed == 0,
                              f"{lost} failed, {slowest}")


# ---- acts

def meshed(act):
    """An act of the mesh, after a key may have taken the shop out."""
    def play(scene):
        if not scene.is_meshed:
            mesh_on(scene)
        act(scene)
    return play


def unmeshed(scene):
    play = scene.play
    play.note("two nodes, six pods; the load clients start")
    play.expect("every pod answers its callers", play.wait_for(lambda: scene.flows(PAIRS), 30) is not None)
    play.wait(1.0)  # connections that came late
    start, seen = time.monotonic(), scene.book.wire.readable
    play.wait(MEASURE)
    now = time.monotonic()
    scene.before = {pair: scene.book.stats(pair, start, now) for pair in PAIRS}
    readable = scene.book.wire.readable - seen
    play.expect("the wire between the nodes shows the card number", readable > 0, f"{readable} frames")
    paths = {scene.path("web", "cart"), scene.path("web", "ads"), scene.path("cart", "pay-v1")}
    play.expect("every row of the shop is plain", paths == {"plain"}, ", ".join(sorted(paths)))


def shows(scene, source, to, path, tls):
    row = scene.rows().get((source, to))
    return row is not None and (row.path, row.tls) == (path, tls)


def label(scene):
    if scene.is_meshed:  # by key
        mesh_off(scene)
    play, pids = scene.play, scene.lab.pod_pids()
    began = mesh_on(scene)
    for source, to, path, tls in (("web", "cart", "direct", "-"), ("web", "ads", "mtls", "1.3"),
                                  ("cart", "pay-v1", "l7", "1.3")):
        # Connections from before the label live on until their client dials anew.
        flipped = play.wait_for(lambda wanted=(source, to, path, tls): shows(scene, *wanted), 8)
        row = scene.rows().get((source, to))
        play.expect(f"{source} > {to} is {path}", flipped is not None,
                    f"TLS {row.tls}" if flipped is not None else row and f"{row.path}, TLS {row.tls}")
    quiet = play.wait_for(lambda: time.monotonic() - scene.book.wire.last_readable > 1.5, 10)
    scene.meshed_since = time.monotonic()
    seen = scene.book.wire.readable
    play.wait(MEASURE)
    now = time.monotonic()
    scene.after = {pair: scene.book.stats(pair, scene.meshed_since, now) for pair in PAIRS}
    scene.after_rows = scene.book.rows(now)
    play.expect("the wire shows the card number no more", quiet is not None and scene.book.wire.readable == seen,
                f"last seen {scene.book.wire.last_readable - began:.1f} s after the label")
    failures = scene.failures(PAIRS[:3], began)
    play.expect("no request failed on the way", not failures, ", ".join(sorted(failures)))
    play.expect("every pod process is the one it was", pids and pids == scene.lab.pod_pids(), f"{len(pids)} processes")


def canary(scene, percent, tolerance):
    play, pair = scene.play, ("cart", "pay")
    canary_route(scene, percent)
    play.wait_for(lambda: scene.book.share(pair, "pay-v2", time.monotonic() - 0.5) > 0, 8)
    start = time.monotonic()
    play.wait(MEASURE)
    share = scene.book.share(pair, "pay-v2", start)
    play.expect(f"v2 answers {percent} % +- {tolerance}", abs(share - percent) <= tolerance, f"{share:.1f} %")
    stats = scene.book.stats(pair, start, time.monotonic())
    play.expect("its planted fault shows", 0 < stats.failed and scene.path("cart", "pay-v2") == "l7",
                f"OK {stats.ok:.1f} %")


def rollback(scene):
    play, pair = scene.play, ("cart", "pay")
    if not stable_route(scene):
        return
    began = time.monotonic()
    gone = play.wait_for(lambda: scene.book.share(pair, "pay-v2", time.monotonic() - 0.5) == 0 and
                         scene.flows([pair], ok=100.0, seconds=0.5), 8)
    play.expect("v2 is out and OK % is whole again", gone is not None, f"{time.monotonic() - began:.1f} s")


def refuse_mallory(scene):
    play = scene.play
    if scene.is_denied:  # by key
        undeny(scene)
    before = play.wait_for(lambda: scene.flows([("mallory", "pay")]), 5)  # v2's last faults leave the window
    play.expect("mallory reaches pay before", before is not None)
    saved = deny(scene)
    play.wait(1.0)
    code, why = scene.lab.ctl("node2", "why", "outlaw/mallory", "shop/pay:80")
    broken = re.search(r"policy +(\w+): .*\((\S*pay-callers)", why)
    play.expect("`why mallory pay` breaks at policy", code == 1 and broken,
                f"{broken[1]}, {broken[2]}" if broken else why[-80:])
    named = scene.book.denial("mallory", "pay", time.monotonic()) or scene.book.denial("mallory", "pay-v1",
                                                                                      time.monotonic())
    play.expect("so do the recorded refusals", named and named[1] == "shop/pay-callers",
                f"{named[0]}, {named[1]}" if named else "")
    answered = [call for call in scene.book.calls(("mallory", "pay"), saved + 1.0) if call.is_ok]
    play.expect("nothing gets through", not answered, f"{len(answered)} answered")
    cut = scene.count_failures(("cart", "pay"), saved)
    play.expect("cart still may", scene.flows([("cart", "pay")]), f"{cut} requests cut by the change")


def results(scene):
    return table(PAIRS, scene.before, scene.after, scene.after_rows)


def sealed(scene):
    """At the end: nothing readable has crossed the link since the label landed."""
    if scene.meshed_since is not None:
        scene.play.step("Since the label landed")
        scene.play.expect("no readable byte crossed the link, killed proxies or not",
                          scene.book.wire.last_readable < scene.meshed_since)


ACTS = (
    ("No mesh yet", unmeshed),
    ("The label lands", label),
    ("Canary 10 %", meshed(lambda scene: canary(scene, 10, 6))),
    ("Canary 50 %", meshed(lambda scene: canary(scene, 50, 10))),
    ("Roll back", meshed(rollback)),
    ("mallory denied", meshed(refuse_mallory)),
    ("kill -9 agent", meshed(lambda scene: kill(scene, ["agent"]))),
    ("kill -9 proxy", meshed(lambda scene: kill(scene, ["proxy"]))),
    ("kill -9 both", meshed(lambda scene: kill(scene, ["agent", "proxy"]))),
    ("With and without", sealed),
)
