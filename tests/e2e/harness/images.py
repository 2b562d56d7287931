"""The images that every cluster of the tests holds, made from programs of this machine: pause, coredns, tools.

`localhost/tools:1` has busybox, curl and bpftool: clients and servers of the scenarios. `localhost/load:1`, for those
with the mesh, has nginx, etcd (a gRPC server that tells its health) and keelson-load as well.
"""
import os
import platform

from harness.command import run
from harness.image import add_file, add_programs, elf, layer, trouble, write
from harness.trouble import Trouble
from harness.versions import HERE, ROOT

TAG = "1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def build_pause(folder):
    folder.mkdir(parents=True, exist_ok=True)
    program, source = folder / "pause", HERE / "pause.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        run("cc", "-Os", "-static", "-s", "-Wall", "-Wextra", "-Werror", "-o", program, source)
    return program


def one_program(path, source):
    tree = layer.Tree()
    add_file(tree, path, source)
    tree.add_folder("/tmp", 0o1777)
    return tree


def tools(architecture):
    tree = one_program("/bin/busybox", "/bin/busybox")
    for applet in run("/bin/busybox", "--list").split():
        if applet != "busybox":
            tree.add_link(f"/bin/{applet}", "busybox")
    add_programs(tree, ["/usr/bin/curl", os.path.realpath("/usr/sbin/bpftool")], architecture)
    tree.add_file("/etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    tree.add_file("/etc/nsswitch.conf", b"hosts: files dns\n")
    return tree


def build_load(folder, etcd):
    """The path of the archive."""
    architecture = ARCHITECTURES[platform.machine()]
    program = ROOT / "build" / "release" / "bin" / "keelson-load"
    if not program.exists():
        raise Trouble(f"{program} is not built: make e2e")
    tree = tools(architecture)
    add_programs(tree, ["/usr/sbin/nginx"], architecture)
    for library in elf.closure([program], architecture):
        add_file(tree, library, os.path.realpath(library))
    add_file(tree, "/bin/keelson-load", program)
    add_file(tree, "/bin/etcd", etcd)
    tree.add_file("/etc/group", b"root:x:0:\n")
    tree.add_folder("/var/lib/nginx", 0o755)
    path = folder / "load.tar"
    write(path, f"localhost/load:{TAG}", tree, architecture)
    return path


def build(folder, pause, coredns):
    """Writes the archives into `folder`."""
    try:
        write_all(folder, pause, coredns, ARCHITECTURES[platform.machine()])
    except trouble.Trouble as problem:  # of tools/images
        raise Trouble(f"the images of the tests: {problem}") from None


def write_all(folder, pause, coredns, architecture):
    folder.mkdir(parents=True, exist_ok=True)
    made = {"pause": (one_program("/pause", pause), ["/pause"], "65535"),
            "coredns": (one_program("/coredns", coredns), ["/coredns"], ""),
            "tools": (tools(architecture), [], "")}
    for name, (tree, entry_point, user) in made.items():
        write(folder / f"{name}.tar", f"localhost/{name}:{TAG}", tree, architecture, entry_point, user)
