"""The programs that are built from Go modules, once for each state of their mains, and kept as zstd archives.

Cache folder: KEELSON_E2E_CACHE, else keelson/e2e in XDG_CACHE_HOME or ~/.cache. NAME-KEY.zst are the archives (they
are all that is worth keeping on another machine), bin/NAME-KEY the unpacked programs, go-build and go-mod Go's caches.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import subprocess
import time
from dataclasses import dataclass

from harness.command import run
from harness.toolchain import Toolchain
from harness.trouble import Trouble
from harness.versions import GO_MAINS, VERSIONS

KEPT = 2           # archives of one program, newest first
TELL_SECONDS = 10  # a build that lasts tells so this often
BUILD_SECONDS_MAX = 3600


@dataclass(frozen=True)
class Program:
    name: str
    main: str                # folder, from tests/e2e/go
    package: str = "."
    verb: tuple = ("build",)
    flags: str = "-s -w"     # for the linker

    def command(self, out):
        return [*self.verb, "-ldflags", self.flags, "-o", str(out), self.package]


def kube_flags():
    """Else the programs call themselves v0.0.0-master and version checks of Helm and operators misjudge them."""
    version = VERSIONS["kubernetes"]
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean",
              "gitCommit": "0" * 40, "buildDate": "1970-01-01T00:00:00Z"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    set_values = [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]
    return " ".join(["-s -w", *set_values])


PROGRAMS = {program.name: program for program in (
    Program("kube", "kube", flags=kube_flags()),
    Program("etcd", "etcd"),
    Program("coredns", "coredns"),
    Program("helm", "helm"),
    Program("conformance", "conformance", "sigs.k8s.io/gateway-api/conformance", ("test", "-c")),
    Program("echo-basic", "conformance", "sigs.k8s.io/gateway-api/conformance/echo-basic"),
    Program("echo-server", "echo", "istio.io/istio/pkg/test/echo/cmd/server"),
    Program("echo-client", "echo", "istio.io/istio/pkg/test/echo/cmd/client"),
    Program("kube-standin", "../../support/apiserver"))}
OF_A_CLUSTER = ("kube", "etcd", "coredns", "helm")


def cache_folder():
    if chosen := os.environ.get("KEELSON_E2E_CACHE"):
        return pathlib.Path(chosen).resolve()
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "keelson" / "e2e"


def key(program, folder=GO_MAINS):
    """Names one state of a program: its main, its modules by version and checksum, and how it is built."""
    digest = hashlib.sha256(" ".join(program.command("OUT")).encode())
    for path in sorted((folder / program.main).iterdir()):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Programs:
    """Unpacks or builds; blocks. One process at a time works in a cache folder."""

    def __init__(self, progress, cache=None):
        self._progress, self._cache = progress, cache or cache_folder()
        self._bin = self._cache / "bin"

    def provide(self, names):
        """{name: path of the program}; builds what is in no archive."""
        self._bin.mkdir(parents=True, exist_ok=True)
        with self._lock():
            return {name: self._provide(PROGRAMS[name]) for name in names}

    @contextlib.contextmanager
    def _lock(self):
        with open(self._cache / "lock", "w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress.tell(f"waiting for another run that builds in {self._cache}")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _provide(self, program):
        stem = f"{program.name}-{key(program)}"
        path, archive = self._bin / stem, self._cache / f"{stem}.zst"
        if path.exists():
            return path
        fresh = path.with_suffix(".new")
        if archive.exists():
            self._progress.tell(f"unpacking {program.name}")
            run("zstd", "-q", "-d", "-f", archive, "-o", fresh)
        else:
            self._build(program, fresh)
            run("zstd", "-q", "-3", "-f", fresh, "-o", archive.with_suffix(".new"))
            archive.with_suffix(".new").rename(archive)
            self._prune(program)
        fresh.chmod(0o755)
        fresh.rename(path)
        return path

    def _prune(self, program):
        archives = sorted(self._cache.glob(f"{program.name}-{'?' * 16}.zst"), key=lambda path: -path.stat().st_mtime)
        for archive in archives[KEPT:]:
            archive.unlink()
            (self._bin / archive.stem).unlink(missing_ok=True)

    def _build(self, program, out):
        toolchain = Toolchain(self._cache)
        folder = GO_MAINS / program.main
        packages = len(toolchain.go(["list", "-deps", program.package], folder).splitlines())
        self._progress.tell(f"building {program.name}: {packages} packages, once")
        verb, *arguments = program.command(out)
        began = time.monotonic()
        self._compile(toolchain, program, [verb, "-v", *arguments], folder, began)
        self._progress.tell(f"building {program.name}: {time.monotonic() - began:.0f} s")

    def _compile(self, toolchain, program, arguments, folder, began):
        """`go ARGUMENTS`; with -v it names each package on standard error as it comes to it."""
        compiled, said, told = 0, [], began
        with subprocess.Popen([toolchain.program, *arguments], cwd=folder, env=toolchain.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True) as go:
            for line in go.stderr:
                compiled, said = compiled + 1, [*said[-39:], line]
                now = time.monotonic()
                if now - told >= TELL_SECONDS:
                    self._progress.tell(f"building {program.name}: {compiled} packages compiled, {now - began:.0f} s")
                    told = now
                if now - began > BUILD_SECONDS_MAX:
                    go.kill()
        if go.returncode != 0:
            raise Trouble(f"go {arguments[0]} of {program.name} failed in {folder}:\n{''.join(said)}")
