"""Peer programs: where a machine has them, how one is started, which version it is.

Installs nothing: missing() says what does. Any thread; version() runs the program and blocks.
"""
import glob
import os
import pathlib
import re
import shutil
import subprocess
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[3]
ENVOY_WHEEL = "build/venv/lib/python3*/site-packages/envoy/_bin/envoy"
FURTHER_PACKAGES = "tools/setup tools/bench/packages.txt"


@dataclass(frozen=True)
class Program:
    install: str  # the command that installs it
    ask_version: str
    version: str  # pattern of it in the answer


PROGRAMS = {
    "haproxy": Program(FURTHER_PACKAGES, "-v", r"version (\S+)"),
    "nginx": Program("tools/setup", "-v", r"nginx/(\S+)"),
    "stunnel": Program(FURTHER_PACKAGES, "-version", r"stunnel (\d\S*)"),
    "envoy": Program("tools/setup, or name one in KEELSON_ENVOY", "--version", r"version: \w+/([^/]+)/"),
}


def binary_of(program):
    """Path of an installed program, or None."""
    if program == "envoy":
        wheel = glob.glob(str(ROOT / ENVOY_WHEEL))
        return os.environ.get("KEELSON_ENVOY") or (wheel[0] if wheel else None)
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def missing(program):
    """Why it cannot be had on this machine, or None."""
    binary = binary_of(program)
    if binary is None:
        return f"{program} is not installed: {PROGRAMS[program].install}"
    if not os.access(binary, os.X_OK):
        return f"{binary} cannot be executed"
    return None


def version(program):
    done = subprocess.run([binary_of(program), PROGRAMS[program].ask_version], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(PROGRAMS[program].version, done.stdout)
    return found.group(1) if found else "unknown"


def command(program, folder, configuration):
    """In the foreground, one worker thread, all its files below `folder`."""
    arguments = {"haproxy": ["-db", "-f", configuration],
                 "nginx": ["-p", folder, "-e", "stderr", "-c", configuration],
                 "stunnel": [configuration],
                 "envoy": ["-c", configuration, "--concurrency", "1", "--disable-hot-restart", "-l", "warn"]}
    return [str(word) for word in (binary_of(program), *arguments[program])]
