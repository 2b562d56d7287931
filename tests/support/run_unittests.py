"""run_unittests.py REPORT FOLDER IMPORT_ROOT...: the *_test.py of a folder, reported as GoogleTest would.

tools/test-report reads REPORT, so that Python tests count like all others. Exit status 1 when one failed
or none ran.
"""
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree

sys.dont_write_bytecode = True


class Recorder(unittest.TextTestResult):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.cases = []

    def stopTest(self, test):
        super().stopTest(test)
        self.cases.append(test)

    def report(self):
        broken = {str(test): text for test, text in self.failures + self.errors}
        skipped = {str(test): why for test, why in self.skipped}
        root = ElementTree.Element("testsuites", tests=str(len(self.cases)), failures=str(len(broken)))
        for test in self.cases:
            case = ElementTree.SubElement(root, "testcase", name=test._testMethodName,
                                          classname=type(test).__name__, status="run")
            if str(test) in broken:
                ElementTree.SubElement(case, "failure", message=broken[str(test)])
            elif str(test) in skipped:
                ElementTree.SubElement(case, "skipped", message=skipped[str(test)])
        return ElementTree.ElementTree(root)


def main():
    report, folder, *roots = sys.argv[1:]
    sys.path[:0] = roots
    suite = unittest.TestLoader().discover(folder, pattern="*_test.py", top_level_dir=folder)
    began = time.monotonic()
    result = unittest.TextTestRunner(stream=sys.stdout, resultclass=Recorder, verbosity=2).run(suite)
    result.report().write(report)
    print(f"{result.testsRun} tests in {time.monotonic() - began:.1f} s")
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
