"""The acts of `make run`, in order. An act makes moves, measures and holds what was observed against what must
be. They raise Ended when the run is told to end.
"""
import re
import time

from live.moves import canary_route, deny, kill, mesh_off, mesh_on, stable_route, undeny
from live.scene import PAIRS
from live.screen import table

MEASURE = 4.0  # seconds of a figure in the table


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
                         not scene.count_failures(pair, time.monotonic() - 0.5), 8)
    play.expect("v2 is out and OK % is whole again", gone is not None, f"{time.monotonic() - began:.1f} s")


def refuse_mallory(scene):
    play = scene.play
    if scene.is_denied:  # by key
        undeny(scene)
    play.expect("mallory reaches pay before", scene.flows([("mallory", "pay")]))
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
    play.expect("cart still may", scene.flows([("cart", "pay")]) and cut == 0,
                f"{cut} requests cut by the change")


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
