"""about: what a result depends on beside the code: machine, kernel, versions, commit, date. Runs programs; blocking."""
import datetime
import gzip
import os
import pathlib
import platform
import re
import subprocess

from ladder import peer_programs

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Program -> command and the pattern of its version in the answer.
TOOLS = {
    "gcc": (("gcc", "--version"), r"\) (\S+)"),
    "openssl": (("openssl", "version"), r"OpenSSL (\S+)"),
}


def first_match(pattern, text, otherwise="unknown"):
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else otherwise


def output_of(command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, cwd=ROOT, check=False)
        return done.stdout.strip()
    except FileNotFoundError:
        return ""


def commit():
    """Of the tree, marked when it has changes that no commit has."""
    name = output_of(["git", "rev-parse", "--short=12", "HEAD"]) or "unknown"
    return name + ("+changes" if output_of(["git", "status", "--porcelain", "--untracked-files=no"]) else "")


def versions(bin_dir):
    found = {name: first_match(pattern, output_of(command)) for name, (command, pattern) in TOOLS.items()}
    found["keelson"] = first_match(r"keelson-l7 (\S+)", output_of([bin_dir / "keelson-l7", "--version"]))
    for program in peer_programs.PROGRAMS:
        found[program] = "missing" if peer_programs.missing(program) else peer_programs.version(program)
    return found


def kernel_configuration():
    """Text of what the kernel was built with; empty where it does not tell."""
    try:
        with gzip.open("/proc/config.gz", "rt") as text:
            return text.read()
    except FileNotFoundError:
        beside = pathlib.Path(f"/boot/config-{platform.release()}")
        return beside.read_text() if beside.exists() else ""


def keeps_interrupts_apart(configuration):
    """Whether a task's run time is without the interrupts that it bore, which deliver packets."""
    return "CONFIG_IRQ_TIME_ACCOUNTING=y" in configuration.splitlines()


def gather(bin_dir, mode, congestion_control, seconds):
    cpu = first_match(r"^model name\s*: (.+)$", pathlib.Path("/proc/cpuinfo").read_text())
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(),
            "kernel": platform.release(), "cpu": cpu, "cores": os.cpu_count(),
            "congestion_control": congestion_control, "versions": versions(bin_dir), "mode": mode,
            "seconds": round(seconds)}
