"""enforcement: how long after its arrival a policy change binds new connections, and cuts established ones.

A prober in a pod dials another pod of its node in a tight loop and holds connections to it; a policy that denies it
arrives as a file and goes again, over and over. Both processes stamp with CLOCK_MONOTONIC. Blocking.
"""
import json
import queue
import random
import threading
import time

from ladder import objects, stats
from ladder.mesh import Mesh, MeshError

NAME = "enforcement"
DESCRIPTION = "a policy change until new connections obey it and established ones are cut"
PREFIX = "keelson-lab-force"
NODE, NAMESPACE, POLICY = "node1", "force", "bench-deny.yaml"
ROUNDS = {"quick": 11, "full": 15}
CHANGES = 50  # of a round, whose p99 is one sample
HELD = 16
PATIENCE = 5  # seconds for one event
PAUSE = (0.02, 0.08)  # seconds between being let in and the next change: in step with nothing


def manifest(probe):
    return objects.document(
        objects.namespace(NAMESPACE), objects.account(NAMESPACE, "caller"),
        objects.pod(NAMESPACE, "caller", NODE, service_account="caller"),
        objects.pod(NAMESPACE, "called", NODE, (probe, "listen", "--at", f"0.0.0.0:{objects.PORT}")))


def deny():
    return objects.document(objects.deny_account(NAMESPACE, "bench-deny", "called", f"{NAMESPACE}/caller"))


class Events:
    """What the prober says, as it says it."""

    def __init__(self, stream):
        self.seen = queue.Queue()
        threading.Thread(target=self.read, args=(stream,), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.seen.put(json.loads(line))

    def next(self):
        try:
            return self.seen.get(timeout=PATIENCE)
        except queue.Empty:
            raise MeshError(f"the prober saw nothing within {PATIENCE} s of a change") from None


def one_change(mesh, events, pause):
    """(milliseconds until refused, milliseconds until cut) of one policy, which goes again."""
    if events.next()["event"] != "opened":
        raise MeshError("the prober was refused before a policy arrived")
    time.sleep(pause)
    arrival = mesh.put(POLICY, deny())
    seen = {event["event"]: event["at_ns"] for event in (events.next(), events.next())}
    mesh.drop(POLICY)
    return tuple((seen[name] - arrival) / 1e6 for name in ("refused", "cut"))


def p99(values):
    return stats.quantile(sorted(values), 0.99)


def to_lines(rounds):
    """Rounds of (new, cut) milliseconds, as lines."""
    def line(variant, samples):
        return {"id": f"{NAME}/{variant}/ms_p99", "group": NAME, "variant": variant, "metric": "ms_p99", "unit": "ms",
                "samples": samples}
    return [line("new", [p99(new for new, _ in each) for each in rounds]),
            line("cut", [p99(cut for _, cut in each) for each in rounds])]


def in_words(what, values):
    p50 = stats.quantile(sorted(values), 0.5)
    return (f"{NAME}: {what} p50 {p50:.2f} ms, p99 {p99(values):.2f} ms, max {max(values):.2f} ms of "
            f"{len(values)} changes")


def run(bench):
    probe = bench.bin_dir / "keelson-probe"
    folder = bench.folder / NAME
    folder.mkdir(parents=True)
    (folder / "pods.yaml").write_text(manifest(probe))
    jitter = random.Random(1)
    with Mesh(bench.bin_dir, PREFIX, nodes=(NODE,)) as mesh:
        mesh.up(folder)
        to = f"{mesh.pods()['called']}:{objects.PORT}"
        watch = mesh.start(NODE, "caller", probe, "watch", "--to", to, "--held", HELD, keep_output=True)
        events = Events(watch.stdout)
        rounds = [[one_change(mesh, events, jitter.uniform(*PAUSE)) for _ in range(CHANGES)]
                  for _ in range(ROUNDS[bench.mode.name])]
    new, cut = zip(*(change for each in rounds for change in each))
    bench.note(in_words("new connections refused", new))
    bench.note(in_words(f"{HELD} established connections cut", cut))
    return to_lines(rounds)
