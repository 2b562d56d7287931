"""The shared libraries that programs need, read from the files: works for every architecture, runs nothing."""
import os
import platform
import re
import subprocess

from image.trouble import Trouble

MACHINES = {"amd64": "Advanced Micro Devices X86-64", "arm64": "AArch64"}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
NEEDED = re.compile(r"\(NEEDED\)\s+Shared library: \[(.+)\]")
RUNPATH = re.compile(r"\((?:RUNPATH|RPATH)\)\s+Library (?:run|r)path: \[(.+)\]")
INTERPRETER = re.compile(r"Requesting program interpreter: (\S+)\]")
MACHINE = re.compile(r"^\s*Machine:\s+(.+)$", re.MULTILINE)


def folders(arch):
    return [f"/lib/{TRIPLETS[arch]}", f"/usr/lib/{TRIPLETS[arch]}"]


def read(path, arch):
    """(needed libraries, interpreter or None) of an ELF file that must be one of `arch`."""
    done = subprocess.run(["readelf", "-hldW", path], capture_output=True, text=True, check=False,
                          env=dict(os.environ, LC_ALL="C"))
    machine = MACHINE.search(done.stdout)
    if done.returncode != 0 or machine is None:
        raise Trouble(f"{path} is no program: {done.stderr.strip() or 'no ELF header'}")
    if machine.group(1) != MACHINES[arch]:
        raise Trouble(f"{path} is a program for {machine.group(1)}, not for {arch}; build it for {arch} first")
    if (runpath := RUNPATH.search(done.stdout)) is not None:
        raise Trouble(f"{path} looks for libraries in {runpath.group(1)}, which the image does not have")
    interpreter = INTERPRETER.search(done.stdout)
    return NEEDED.findall(done.stdout), interpreter and interpreter.group(1)


def find(library, where, needed_by, root=""):
    for folder in where:
        if os.path.exists(f"{root}{folder}/{library}"):
            return f"{folder}/{library}"
    raise Trouble(f"{needed_by} needs {library}, which is not in {' or '.join(where)}: install its package")


def closure(programs, arch, root=""):
    """Paths, on the system below `root`, of all libraries and interpreters that the programs (here) need, sorted."""
    found, waiting = {}, list(programs)
    while waiting:
        path = waiting.pop()
        libraries, interpreter = read(path, arch)
        if interpreter is not None:
            found.setdefault(os.path.basename(interpreter), interpreter)
        for library in libraries:
            if library not in found:
                found[library] = find(library, folders(arch), path, root)
                waiting.append(root + found[library])
    return sorted(found.values())
