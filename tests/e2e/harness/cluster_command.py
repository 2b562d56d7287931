"""The commands of tests/e2e/cluster."""
import argparse
import os
import pathlib
import sys

from harness import cgroups, pin
from harness.cluster import Cluster
from harness.layout import Layout
from harness.programs import PROGRAMS, Programs, cache_folder
from harness.progress import Progress
from harness.toolchain import Toolchain
from harness.trouble import Trouble
from harness.versions import HERE

DEFAULT_NAME = "default"


def say_on_stderr(text, flush=True):
    print(text, file=sys.stderr, flush=flush)


def parse(arguments, usage):
    parser = argparse.ArgumentParser(prog="cluster", usage=usage, add_help=False)
    parser.add_argument("--name", default=DEFAULT_NAME)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", usage=usage)
    up.add_argument("--cgroups", choices=("hybrid", "unified"), default="hybrid")
    up.add_argument("--proxy-mode", choices=("nftables", "iptables"), default="nftables")
    for name in ("down", "status"):
        commands.add_parser(name, usage=usage)
    for name in ("kubectl", "helm", "node", "import", "program", "pin"):
        commands.add_parser(name, usage=usage, add_help=False).add_argument("rest", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def main(arguments, usage):
    options = parse(arguments, usage)
    try:
        return COMMANDS[options.command](options) or 0
    except Trouble as trouble:
        print(f"cluster: {trouble}", file=sys.stderr)
        return 1


def cluster_of(options, **settings):
    return Cluster(Layout(options.name), Progress(f"e2e {options.name}"), **settings)


def running(options):
    """Also one that did not come up whole: that is the one to look into."""
    cluster = cluster_of(options)
    if not cluster.record.entries():
        raise Trouble(f"cluster {options.name} is not up: tests/e2e/cluster up")
    return cluster


def up(options):
    cluster = cluster_of(options, is_unified=options.cgroups == "unified", proxy_mode=options.proxy_mode)
    try:
        cluster.up()
    except (Trouble, KeyboardInterrupt):
        print(f"cluster: logs are in {cluster.layout.state}/node*/; `tests/e2e/cluster down` removes it all",
              file=sys.stderr)
        raise
    print(f"kubectl: {cluster.layout.bin}/kubectl get pods -A\n"
          f"helm:    {cluster.layout.bin}/helm list -A\n"
          f"node:    tests/e2e/cluster --name {options.name} node node1")


def down(options):
    cluster_of(options).down()


def status(options):
    cluster = running(options)
    missing = cluster.missing_programs()
    settings = ", ".join(f"{name} {value}" for name, value in cluster.settings.items()) if cluster.is_up else \
        "did not come up whole"
    print(f"cluster {options.name}: {settings}")
    print("programs: " + ("not running: " + ", ".join(missing) if missing else "all run"))
    print(f"processes: {len(cgroups.pids(cluster.nodes.v2))}")
    print(cluster.kubectl("get", "nodes,pods", "-A", "-o", "wide"), end="")
    return 1 if missing else 0


def tool(options):
    program = str(running(options).layout.bin / options.command)
    os.execv(program, [program, *options.rest])


def enter_node(options):
    cluster = running(options)
    if not options.rest:
        raise Trouble("which node? tests/e2e/cluster node node1 [COMMAND]")
    command = cluster.nodes.inside(cluster.layout.node(options.rest[0]), options.rest[1:] or ["bash"])
    os.execvp(command[0], command)


def import_images(options):
    running(options).import_images(options.rest)


def program(options):
    unknown = [name for name in options.rest if name not in PROGRAMS]
    if unknown or not options.rest:
        raise Trouble(f"no such program: {', '.join(unknown) or 'none named'}; there are {', '.join(PROGRAMS)}")
    for path in Programs(Progress("e2e", say=say_on_stderr)).provide(options.rest).values():
        print(path)


def pin_modules(options):
    unknown = [name for name in options.rest if name not in pin.REQUIRES]
    if unknown:
        raise Trouble(f"no such Go main: {', '.join(unknown)}; there are {', '.join(pin.REQUIRES)} (in {HERE / 'go'})")
    pin.pin(Toolchain(pathlib.Path(cache_folder())), options.rest or list(pin.REQUIRES))


COMMANDS = {"up": up, "down": down, "status": status, "kubectl": tool, "helm": tool, "node": enter_node,
            "import": import_images, "program": program, "pin": pin_modules}
