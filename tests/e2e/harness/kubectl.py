"""Kubectl: the real kubectl against one cluster, from its control plane's network namespace."""
import json

from harness.command import SECONDS_MAX, attempt, run


class Kubectl:
    def __init__(self, program):
        self._program = program

    def attempt(self, *arguments, stdin=None, seconds_max=SECONDS_MAX):
        """Exit status, standard output, standard error."""
        return attempt(self._program, *arguments, stdin=stdin, seconds_max=seconds_max)

    def __call__(self, *arguments, stdin=None, seconds_max=SECONDS_MAX):
        """Standard output; Trouble when it fails."""
        return run(self._program, *arguments, stdin=stdin, seconds_max=seconds_max)

    def json(self, *arguments):
        return json.loads(self(*arguments, "-o", "json"))

    def apply(self, *manifests, namespace=None):
        """Server-side, from Python objects, YAML text or paths of files."""
        where = ["-n", namespace] if namespace else []
        for manifest in manifests:
            text = manifest if isinstance(manifest, str) else \
                json.dumps(manifest) if isinstance(manifest, dict) else manifest.read_text()
            self("apply", "--server-side", *where, "-f", "-", stdin=text)

    def exec(self, namespace, pod, *command, seconds_max=SECONDS_MAX):
        """Exit status and output of a command in a pod ("deploy/NAME" picks one of a Deployment's)."""
        code, out, err = self.attempt("exec", "-n", namespace, pod, "--", *command, seconds_max=seconds_max)
        return code, out + err
