"""The command tests/e2e/run: a cluster, the scenarios on it, and the end of the cluster in any case."""
import argparse
import contextlib
import os
import shutil
import signal
import sys

from harness import crds, scenario, suite, warden
from harness.cluster import Cluster, check_machine
from harness.layout import Layout
from harness.programs import Programs, cache_folder
from harness.progress import Progress
from harness.trouble import Trouble
from harness.versions import ROOT

REPORTS = ROOT / "build" / "e2e" / "reports"
GONE_SECONDS_MAX = 180


def parse(arguments, usage):
    parser = argparse.ArgumentParser(prog="run", usage=usage)
    parser.add_argument("--name", default="run")
    parser.add_argument("--cgroups", choices=("hybrid", "unified"), default="hybrid")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--clusters", type=int, default=1)
    parser.add_argument("--only")  # how the suite starts one scenario in a process of its own
    parser.add_argument("words", nargs="*")
    return parser.parse_args(arguments)


def main(arguments, usage):
    options = parse(arguments, usage)
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, on_end)
    if options.list:
        for name in scenario.names(options.words):
            print(f"{name:24} {suite.title(scenario.load(name))}")
        return 0
    try:
        return play_one(options) if options.only else play_all(options)
    except Trouble as trouble:
        print(f"run: {trouble}", file=sys.stderr)
    except KeyboardInterrupt:
        if not options.only:  # of a scenario the suite tells it, after its last line
            print("run: ended", file=sys.stderr)
    if not options.only:
        print("0 passed, 1 failed, 0 skipped")
    return 1


def on_end(*_):
    raise KeyboardInterrupt


def play_all(options):
    names = scenario.names(options.words)
    if not names:
        raise Trouble(f"no scenario's name holds {' or '.join(options.words)}; tests/e2e/run --list")
    progress = Progress("e2e")
    plan = suite.rounds(names, options.times)
    clusters = [Cluster(Layout(name), progress, is_unified=options.cgroups == "unified")
                for name in cluster_names(options.name, min(options.clusters, len(plan)))]
    shutil.rmtree(REPORTS, ignore_errors=True)
    check_machine()
    provide(names, progress)
    with contextlib.ExitStack() as wardens:
        for cluster in clusters:
            wardens.enter_context(warden.watching(cluster.layout.name, options.keep))
            bring_up(cluster, options)
        results = suite.play(plan, clusters, options.cgroups, REPORTS, progress)
    lines, is_good = suite.summary(results)
    if os.environ.get("KEELSON_REQUIRE_ROOT") == "1" and any(result.state == "skipped" for result in results):
        lines.insert(0, "run: a scenario was skipped where nothing may be")
        is_good = False
    print("\n".join(lines))
    return 0 if is_good else 1


def provide(names, progress):
    """What scenarios need beside a cluster's own programs: to build or fetch it may last longer than they may."""
    wanted = {program for name in names for program in getattr(scenario.load(name), "PROGRAMS", ())}
    Programs(progress).provide(sorted(wanted))
    crds.istio_security(cache_folder())


def cluster_names(name, count):
    return [name, *(f"{name}-{number}" for number in range(2, count + 1))]


def namespaces(cluster):
    """["namespace/e2e-NAME", ...] of scenarios."""
    names = cluster.kubectl("get", "namespaces", "-o", "name").split()
    return [name for name in names if name.startswith("namespace/" + scenario.namespace_of(""))]


def has_no_namespace(cluster):
    left = namespaces(cluster)
    return not left, " ".join(left)


def has_account(cluster, namespace):
    """Until then no pod of it can be made; it takes longer after an outage of the API server."""
    code, _, err = cluster.kubectl.attempt("-n", namespace, "get", "serviceaccount", "default")
    return code == 0, err.strip()


def bring_up(cluster, options):
    if options.keep and cluster.is_up:
        if (running := cluster.settings["cgroups"]) != options.cgroups:
            raise Trouble(f"cluster {cluster.layout.name} is up with --cgroups {running}, not with --cgroups "
                          f"{options.cgroups}: take it down (tests/e2e/cluster down) or choose another --name")
        return
    try:
        cluster.up()
    except Trouble as trouble:
        suite.collect_node_logs(cluster, REPORTS / "up")
        raise Trouble(f"{trouble}\n(logs of the nodes: {REPORTS}/up/)") from None


def play_one(options):
    progress = Progress(options.only)
    cluster = Cluster(Layout(options.name), progress, is_unified=options.cgroups == "unified")
    run = scenario.Scenario(options.only, cluster, progress)
    # Earlier ones that failed left theirs, with pods that go on.
    if left := namespaces(cluster):
        cluster.kubectl("delete", "--ignore-not-found", "--wait=false", *left)
        run.eventually("the namespaces of earlier scenarios are gone", lambda: has_no_namespace(cluster),
                       GONE_SECONDS_MAX)
    cluster.kubectl("create", "namespace", run.namespace)
    run.eventually("the namespace has its service account", lambda: has_account(cluster, run.namespace), 60)
    status = 0
    try:
        scenario.load(options.only).run(run)
    except scenario.Skip as skip:
        print(f"skipped: {skip}")
        status = suite.SKIPPED
    cluster.kubectl("delete", "namespace", run.namespace, "--wait=false")
    return status
