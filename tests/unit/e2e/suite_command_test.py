"""A cluster that is up is used only when it is of the kind that was asked for."""
import types
import unittest

from harness import suite_command
from harness.layout import Layout
from harness.trouble import Trouble


class BringUpTest(unittest.TestCase):
    def bring_up(self, *words):
        """Whether the cluster, which is up with --cgroups hybrid, was brought up again."""
        brought_up = []
        cluster = types.SimpleNamespace(is_up=True, settings={"cgroups": "hybrid"}, up=lambda: brought_up.append(True),
                                        layout=Layout("run"))
        suite_command.bring_up(cluster, suite_command.parse(words, ""))
        return bool(brought_up)

    def test_one_that_is_up_is_used_with_keep(self):
        self.assertFalse(self.bring_up("--keep", "--cgroups", "hybrid"))
        self.assertTrue(self.bring_up("--cgroups", "hybrid"))

    def test_one_with_other_control_groups_is_refused(self):
        with self.assertRaisesRegex(Trouble, "cluster run is up with --cgroups hybrid, not with --cgroups unified"):
            self.bring_up("--keep", "--cgroups", "unified")

    def test_each_cluster_has_a_name_of_its_own(self):
        self.assertEqual(["run"], suite_command.cluster_names("run", 1))
        self.assertEqual(["run", "run-2"], suite_command.cluster_names("run", 2))


if __name__ == "__main__":
    unittest.main()
