"""Warden: a process of its own that takes the cluster of a run down once the run is gone, however it ended.

It holds the reading end of a pipe; the run holds the other one. The run itself never takes its cluster down: the way
that a crash takes is the way of every run.
"""
import contextlib
import os
import subprocess
import sys

from harness.trouble import Trouble
from harness.versions import HERE

WAIT_AND_TAKE_DOWN = 'read -r kept; [ "$kept" = kept ] || exec "$@"'


@contextlib.contextmanager
def watching(name, is_kept, program=HERE / "cluster"):
    """Takes the cluster down at the end of the block unless it is kept, and of this process in any case."""
    read_end, write_end = os.pipe()
    command = [sys.executable, str(program), "--name", name, "down"]
    process = subprocess.Popen(["bash", "-c", WAIT_AND_TAKE_DOWN, "warden", *command], stdin=read_end,
                               start_new_session=True)
    os.close(read_end)
    try:
        yield
    finally:
        if is_kept:
            os.write(write_end, b"kept\n")
            print(f"kept: tests/e2e/cluster --name {name} status, and down")
        os.close(write_end)
        if process.wait() != 0:
            raise Trouble("the cluster could not be taken down: see above")
