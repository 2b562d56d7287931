"""Every CRD of crds/ is served by a real API server: good examples come back whole, bad ones are refused.

Needs no Keelson but its definitions, which go again.
"""
import re

from harness.trouble import Trouble
from harness.versions import ROOT

STAGE = "bare"
SECONDS_MAX = 90
FOLDER = ROOT / "crds"


def run(scenario):
    definitions = sorted(FOLDER.glob("*.yaml"))
    scenario.expect("there are definitions", definitions, FOLDER)
    try:
        for path in definitions:
            scenario.kubectl.apply(path)
            crd = path.stem.partition("_")[2] + "." + path.stem.partition("_")[0]
            scenario.kubectl("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=20s")
            scenario.tell(f"ok: {crd} is established")
        for path in sorted((FOLDER / "examples").glob("*.yaml")):
            (refuses if path.stem.endswith(".refused") else takes)(scenario, path)
    finally:
        for path in definitions:
            scenario.kubectl("delete", "-f", path, "--ignore-not-found")


def documents(path):
    return [text for text in re.split(r"(?m)^---$", path.read_text()) if "kind:" in text]


def takes(scenario, path):
    """With strict validation: a field that the definition does not know is an error, so nothing is dropped."""
    for text in documents(path):
        scenario.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=text)
    scenario.tell(f"ok: {path.name} is taken")


def refuses(scenario, path):
    taken = []
    for number, text in enumerate(documents(path), 1):
        code, _, error = scenario.kubectl.attempt("apply", "--server-side", "--validate=strict", "--dry-run=server",
                                                  "-f", "-", stdin=text)
        if code == 0:
            taken.append(f"document {number}: {text.strip()}")
        elif "Error from server" not in error and "is invalid" not in error:
            raise Trouble(f"{path.name}, document {number}: not refused but failed: {error.strip()}")
    scenario.expect(f"each document of {path.name} is refused", not taken, "\n".join(taken))
