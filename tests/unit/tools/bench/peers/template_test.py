import unittest

from ladder.template import BadTemplate, render

LISTS = {"service": ("a", "b")}


class Template(unittest.TestCase):
    def test_fills_in_values(self):
        self.assertEqual("bind 127.0.0.1:80 # 127.0.0.1\n",
                         render("bind @address@:@port@ # @address@\n", {"address": "127.0.0.1", "port": 80}, {}))

    def test_repeats_the_lines_of_each(self):
        self.assertEqual("x\na to 1\nb to 1\ny\n",
                         render("x\n@each service@\n@service@ to @next@\n@end@\ny\n", {"next": 1}, LISTS))

    def test_repeats_twice_in_one_text(self):
        self.assertEqual("a\nb\n-\na\nb\n",
                         render("@each service@\n@service@\n@end@\n-\n@each service@\n@service@\n@end@\n",
                                {}, LISTS))

    def test_leaves_what_a_configuration_has_of_its_own(self):
        for text in ('"@type": type.example/x\n', "log ${host} %[base] $host @ x@y\n"):
            self.assertEqual(text, render(text, {}, {}))

    def test_refuses_what_it_cannot_fill_in(self):
        for text in ("@nothing@\n", "@each other@\n@end@\n", "@each service@\n@service@\n", "a\n@end@\n",
                     "@service@\n", "  @each service@\n@service@\n@end@\n"):
            with self.subTest(text), self.assertRaises(BadTemplate):
                render(text, {}, LISTS)
