"""What the chart starts against the programs: every argument and every probe is one that the program knows."""
import os
import re
import subprocess
import unittest

from renderings import containers, renderings

BIN = os.environ["KEELSON_BIN"]
PROGRAMS = {"agent": "keelson-agent", "l7": "keelson-l7", "hold": "keelson-hold", "ready": "keelsonctl",
            "ca": "keelson-ca", "uninstall": "keelsonctl uninstall"}
CANNOT_REACH = 3  # exit status of keelsonctl


def options(program):
    """The long options that a program, or a verb of it, knows."""
    done = subprocess.run([*f"{BIN}/{program}".split(" "), "--help"], text=True, capture_output=True, check=True)
    return set(re.findall(r"--[a-z0-9-]+", done.stdout))


class Arguments(unittest.TestCase):
    def test_every_argument_is_known(self):
        known = {name: options(program) for name, program in PROGRAMS.items()}
        for case, objects in renderings().items():
            for container, _ in containers(objects):
                wanted = {argument.split("=")[0] for argument in container["args"] if argument.startswith("--")}
                self.assertEqual(set(), wanted - known[container["name"]], f"{case} {container['name']}")

    def test_every_program_tells_its_version(self):
        for program in sorted({words.split(" ")[0] for words in PROGRAMS.values()} | {"keelson-cni"}):
            done = subprocess.run([f"{BIN}/{program}", "--version"], text=True, capture_output=True, check=False)
            self.assertEqual(0, done.returncode, f"{program}: {done.stderr}")
            self.assertRegex(done.stdout, rf"^{program} \d+\.\d+\.\d+\b")

    def test_every_probe_is_a_verb_of_keelsonctl(self):
        probes = {tuple(container[probe]["exec"]["command"]) for objects in renderings().values()
                  for container, _ in containers(objects) for probe in ("readinessProbe", "livenessProbe")
                  if "exec" in container.get(probe, {})}
        self.assertEqual({("keelsonctl", "ready", "--own"), ("keelsonctl", "version")}, probes)
        for program, *arguments in probes:
            # Help is given for any word; a verb alone gets as far as to look for its agent.
            done = subprocess.run([f"{BIN}/{program}", *arguments, "--run-dir=/nonexistent"], text=True,
                                  capture_output=True, check=False)
            self.assertEqual(CANNOT_REACH, done.returncode, done.stderr)
