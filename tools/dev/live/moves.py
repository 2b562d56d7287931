"""Moves: what the acts and the keys do to the lab. Each changes one thing, prints the kubectl and keelsonctl
commands that it stands for, waits until the change shows and checks what was observed. They raise Ended when
the run is told to end.
"""
import time

from live.scene import CAPTURED, DIRECT
from live.screen import latency

CONNECTIONS = {("web", "ads"): 2, ("cart", "pay"): 4}  # of the load clients: what a dead proxy can hold


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
    took = play.wait_for(scene.is_enrolled)
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
    for pair in DIRECT:
        calls, lost, slowest = seen_of(scene, pair, since)
        scene.play.expect(f"{pair[0]} > {pair[1]}, direct, did not notice",
                          calls and not lost and scene.path(*pair) == "direct",
                          f"{len(lost)} of {len(calls)} lost, slowest {slowest}")


def check_captured(scene, since, is_proxy_dead):
    """A dead proxy loses what it held, by reset; everything else waits. Without its death nothing is lost."""
    for pair in CAPTURED:
        calls, lost, slowest = seen_of(scene, pair, since)
        allowed = CONNECTIONS[pair] if is_proxy_dead else 0
        scene.play.expect(f"{pair[0]} > {pair[1]} {'waited and ' if is_proxy_dead else ''}went on",
                          calls and len(lost) <= allowed and {call.outcome for call in lost} <= {"reset"},
                          f"{len(lost)} of {len(calls)} {'reset in flight' if is_proxy_dead else 'lost'}, "
                          f"slowest {slowest}")


def seen_of(scene, pair, since):
    """(calls, those that no pod answered, the slowest answer)"""
    calls = scene.book.calls(pair, since)
    return calls, [call for call in calls if not call.pod], latency(max((call.latency for call in calls), default=0))
