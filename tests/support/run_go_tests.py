"""run_go_tests.py REPORT GO FOLDER CACHE: gofmt, go vet and go test of one module, reported as GoogleTest would.

tools/test-report reads REPORT, so that Go tests count like all others. CACHE is used where there is no home
folder for Go's own. Exit status 1 when one failed or none ran.
"""
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def environment(go, cache):
    settings = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="-buildvcs=false")
    settings["PATH"] = os.path.dirname(go) + os.pathsep + settings.get("PATH", "")
    if not settings.get("HOME") and not settings.get("GOCACHE"):
        settings["GOCACHE"] = cache
    return settings


def run(command, folder, settings):
    return subprocess.run(command, cwd=folder, env=settings, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def checks(go, folder, settings):
    """Name and complaint ("": none) of what is checked beside the tests."""
    unformatted = run(["gofmt", "-l", "."], folder, settings)
    yield "Gofmt", unformatted.stdout and f"not in gofmt's form: {unformatted.stdout}"
    vet = run([go, "vet", "./..."], folder, settings)
    yield "Vet", vet.stdout if vet.returncode else ""


def go_tests(go, folder, settings):
    """(name, complaint, why skipped) of each test; a package that does not build is one failure."""
    output, ended = {}, False
    process = run([go, "test", "-json", "./..."], folder, settings)
    for line in process.stdout.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            event = {"Action": "output", "Output": line + "\n"}
        name = event.get("Test", "")
        output[name] = output.get(name, "") + event.get("Output", "")
        if name and event["Action"] in ("pass", "fail", "skip"):
            ended = ended or event["Action"] == "fail"
            yield (name, output[name] if event["Action"] == "fail" else "",
                   output[name] if event["Action"] == "skip" else "")
    if process.returncode and not ended:
        yield "Build", output.get("", process.stdout), ""


def main():
    report, go, folder, cache = sys.argv[1:]
    settings = environment(go, cache)
    results = [(name, complaint, "") for name, complaint in checks(go, folder, settings)]
    checked = len(results)
    results += go_tests(go, folder, settings)
    root = ElementTree.Element("testsuites", tests=str(len(results)))
    for name, complaint, skipped in results:
        case = ElementTree.SubElement(root, "testcase", name=name, classname="Go", status="run")
        if complaint:
            ElementTree.SubElement(case, "failure", message=complaint)
            print(f"failed: {name}\n{complaint}")
        elif skipped:
            ElementTree.SubElement(case, "skipped", message=skipped)
    ElementTree.ElementTree(root).write(report)
    failed = sum(bool(complaint) for _, complaint, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or len(results) == checked else 0


sys.exit(main())
