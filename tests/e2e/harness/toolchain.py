"""The Go toolchain: found, old enough to build what versions.json pins, and run in an environment of its own."""
import os
import pathlib
import re
import shutil

from harness.command import attempt, run
from harness.trouble import Trouble
from harness.versions import VERSIONS

USUAL = "/usr/local/go/bin/go"
GO_SECONDS_MAX = 1800  # downloads the modules of a whole main
FLAGS = "-trimpath -buildvcs=false -modcacherw"


def parse_version(text):
    """(1, 26) of `go version go1.26.8 linux/amd64`; None when it says something else."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return found and (int(found.group(1)), int(found.group(2)))


def find_go():
    wanted = tuple(int(part) for part in VERSIONS["go"].split("."))
    fix = f"install Go {VERSIONS['go']} or newer and put it into PATH or {USUAL}"
    program = shutil.which("go") or (USUAL if os.access(USUAL, os.X_OK) else None)
    if program is None:
        raise Trouble(f"no Go toolchain: the cluster's programs are built from Go modules; {fix}")
    said = attempt(program, "version", environment=dict(os.environ, GOTOOLCHAIN="local"))[1].strip()
    if (version := parse_version(said)) is None or version < wanted:
        raise Trouble(f"the Go toolchain {program} is too old ({said or 'it does not answer'}); {fix}")
    return program


class Toolchain:
    def __init__(self, cache_dir):
        self.program = find_go()
        self.environment = dict(
            os.environ, GOTOOLCHAIN="local", CGO_ENABLED="0", GOFLAGS=os.environ.get("GOFLAGS", FLAGS), GOWORK="off",
            GOCACHE=os.environ.get("GOCACHE", str(cache_dir / "go-build")),
            GOMODCACHE=os.environ.get("GOMODCACHE", str(cache_dir / "go-mod")))

    def go(self, arguments, folder):
        """Standard output of `go ARGUMENTS`, run in `folder`."""
        return run(self.program, *arguments, folder=folder, environment=self.environment, seconds_max=GO_SECONDS_MAX)

    def module_folder(self, module, folder):
        return pathlib.Path(self.go(["list", "-m", "-f", "{{.Dir}}", module], folder).strip())
