"""Runs the driver of tests/instructions under callgrind and reads what it counted. Blocks until it has ended.

Judges nothing: see judge.py. The figure of an operation is the difference of 3N and N of them over 2N, so that what
happens once is no part of it. valgrind emulates the processor: it has AES-NI and AVX2 where the machine has them and
never AVX-512, so code that asks the processor (libcrypto, memcpy) may run other instructions than in production.
"""
import concurrent.futures
import pathlib
import re
import subprocess
import tempfile

PARALLEL = 2
SECONDS_MAX = 300
SUMMARY = re.compile(r"^summary: (\d+)$", re.MULTILINE)
COST = re.compile(r"^\s*([\d,]+) \(\s*([\d.]+)%\)\s+(\S.*)$", re.MULTILINE)


class CannotCount(Exception):
    """The driver or callgrind is missing or failed; the text says which."""


def parse_list(text):
    """What `instructions --list` prints: {name: how many operations make a steady figure}."""
    return {name: int(count) for name, count in (line.split() for line in text.splitlines())}


def parse_versions(text):
    """Lines of name=value."""
    return dict(line.split("=", 1) for line in text.splitlines())


def parse_summary(text):
    """Instructions in a callgrind.out file."""
    found = SUMMARY.search(text)
    if found is None:
        raise CannotCount("callgrind wrote no summary")
    return int(found[1])


def emulated_cpu(cpuinfo):
    """Which of its processors valgrind shows, by the text of /proc/cpuinfo: the best that the machine can bear."""
    flags = set(re.findall(r"\w+", cpuinfo))
    for level in ("avx2", "avx"):
        if level in flags:
            return level
    return "sse3"


def per_operation(few, many, operations):
    """`few`: instructions of `operations` operations; `many`: of three times as many."""
    return round((many - few) / (2 * operations))


def costliest(text, count):
    """The first `count` rows of callgrind_annotate: (share in percent, instructions, place).

    Without those that hold everything: the frames in which collection is switched on and off.
    """
    rows = [(float(share), int(cost.replace(",", "")), shorten(place)) for cost, share, place in COST.findall(text)
            if float(share) < 100]
    return rows[:count]


def shorten(place):
    """File and function without folders, template arguments and parameters."""
    place, _, program = place.partition(" [")
    file, _, function = place.partition(":")
    function = function.replace("(anonymous namespace)::", "").replace("keelson::", "")
    before = None
    while before != function:
        before = function
        function = re.sub(r"<[^<>]*>|\([^()]*\)", "", function)
    name = function[:90]
    if file == "???":  # no debug information
        return f"{program.rstrip(']').rpartition('/')[2]}: {name}"
    return f"{file.rpartition('/')[2]}: {name}"


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
    except OSError as error:
        raise CannotCount(f"{command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotCount(f"{' '.join(command)}: not done in {SECONDS_MAX} s") from error
    if done.returncode != 0:
        raise CannotCount(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


class Driver:
    """The program `instructions` of one build folder."""

    def __init__(self, build):
        self.program = str(pathlib.Path(build) / "tests/instructions/instructions")
        self.operations = parse_list(output_of(self.program, "--list"))

    def versions(self):
        found = parse_versions(output_of(self.program, "--versions"))
        found["valgrind"] = output_of("valgrind", "--version").strip().removeprefix("valgrind-")
        found["cpu"] = emulated_cpu(pathlib.Path("/proc/cpuinfo").read_text())
        return found

    def count(self):
        """{name: instructions per operation} of every operation."""
        with tempfile.TemporaryDirectory(prefix="keelson-instructions-") as folder, \
                concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            runs = {name: [pool.submit(self._run, name, factor * count, folder) for factor in (1, 3)]
                    for name, count in self.operations.items()}
            return {name: per_operation(few.result(), many.result(), self.operations[name])
                    for name, (few, many) in runs.items()}

    def profile(self, name, rows):
        """The costliest functions of an operation, by their own instructions."""
        with tempfile.TemporaryDirectory(prefix="keelson-instructions-") as folder:
            count = 3 * self.operations[name]
            total = self._run(name, count, folder)
            text = output_of("callgrind_annotate", "--auto=no", "--threshold=100", self._file(name, count, folder))
            return total // count, [(share, cost // count, place) for share, cost, place in costliest(text, rows)]

    def _run(self, name, count, folder):
        file = self._file(name, count, folder)
        output_of("valgrind", "--tool=callgrind", "--quiet", "--collect-atstart=no",
                  f"--callgrind-out-file={file}", self.program, name, str(count))
        return parse_summary(pathlib.Path(file).read_text())

    @staticmethod
    def _file(name, count, folder):
        return f"{folder}/{name}.{count}.out"
