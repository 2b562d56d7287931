"""The hierarchies of a machine are read from mountinfo: hybrid and v2 only."""
import unittest

from harness.cgroups import parse_hierarchies

HYBRID = """\
24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime shared:9 - cgroup cgroup rw,cpuset
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
99 31 0:29 / /mnt/again rw,relatime - cgroup cgroup rw,cpu,cpuacct
"""
UNIFIED = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


class HierarchiesTest(unittest.TestCase):
    def test_hybrid_has_the_unified_one_first_and_each_once(self):
        found = parse_hierarchies(HYBRID)
        self.assertEqual([(str(h.path), h.options) for h in found], [
            ("/sys/fs/cgroup/unified", ""), ("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct"),
            ("/sys/fs/cgroup/cpuset", "cpuset"), ("/sys/fs/cgroup/systemd", "none,name=systemd")])

    def test_v2_only(self):
        self.assertEqual([(str(h.path), h.is_v2) for h in parse_hierarchies(UNIFIED)], [("/sys/fs/cgroup", True)])

    def test_no_cgroups_at_all(self):
        self.assertEqual(parse_hierarchies("24 1 254:0 / / rw - ext4 /dev/vda rw\n"), [])


if __name__ == "__main__":
    unittest.main()
