"""The page of docs/conformance is what its results make; of the control only what the mesh decides is compared."""
import json
import unittest

from harness import conformance
from scenarios.conformance import judged


class PageTest(unittest.TestCase):
    def test_the_page_is_what_the_results_make(self):
        version = json.loads((conformance.PAGES / "results.json").read_text())["keelson"]
        self.assertEqual(conformance.page(conformance.recorded(), version),
                         (conformance.PAGES / "README.md").read_text())


class JudgedTest(unittest.TestCase):
    def judged(self, name, without):
        return judged({name: {"with": "passed", "without": without}}, name)

    def test_the_control_counts_where_the_mesh_is_needed(self):
        self.assertNotEqual(self.judged("MeshPorts", "failed"), self.judged("MeshPorts", "passed"))

    def test_and_not_where_it_is_not(self):
        self.assertEqual(self.judged("MeshBasic", "failed"), self.judged("MeshBasic", "passed"))
        self.assertNotEqual(self.judged("MeshBasic", "failed"), judged({}, "MeshBasic"))


if __name__ == "__main__":
    unittest.main()
