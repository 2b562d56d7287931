import unittest

from budgets import callgrind

ANNOTATED = """\
83,011,537 (100.0%)  PROGRAM TOTALS

 Ir                   file:function
83,011,537 (100.0%)  ./csu/libc-start.c:__libc_start_main@@GLIBC_2.34 [/usr/lib/libc.so.6]
11,525,400 (13.87%)  /usr/include/x/serializer.hpp:json::serializer<json::basic<a, b<c> > >::dump(json const&, bool) \
[/b/instructions]
 5,315,235 ( 6.40%)  ./malloc/./malloc/malloc.c:_int_free [/usr/lib/libc.so.6]
   905,476 ( 1.09%)  ???:operator new(unsigned long) [/usr/lib/libstdc++.so.6.0.30]
    18,600 ( 0.02%)  /w/h1/parser.cpp:keelson::http::h1::(anonymous namespace)::feed(std::span<char>) [/b/instructions]
"""


class Outputs(unittest.TestCase):
    def test_operations_come_with_their_number(self):
        self.assertEqual({"h1_exchange": 200, "route_match": 1000},
                         callgrind.parse_list("h1_exchange 200\nroute_match 1000\n"))

    def test_a_version_may_hold_anything(self):
        self.assertEqual({"compiler": "gcc 12.2.0", "flags": "a=b"},
                         callgrind.parse_versions("compiler=gcc 12.2.0\nflags=a=b\n"))

    def test_the_summary_is_the_count(self):
        self.assertEqual(83011537, callgrind.parse_summary("events: Ir\nsummary: 83011537\n\ntotals: 83011600\n"))

    def test_no_summary_is_no_figure(self):
        with self.assertRaises(callgrind.CannotCount):
            callgrind.parse_summary("events: Ir\n")

    def test_the_emulated_processor_is_never_above_avx2(self):
        for flags, expected in (("sse4_2 avx avx2 avx512f", "avx2"), ("sse4_2 avx", "avx"), ("sse4_2", "sse3")):
            self.assertEqual(expected, callgrind.emulated_cpu(f"flags : fpu {flags}\n"))


class Figures(unittest.TestCase):
    def test_what_happens_once_is_no_part_of_a_figure(self):
        once, each = 1_000_000, 138
        self.assertEqual(each, callgrind.per_operation(once + 200 * each, once + 600 * each, 200))


class Profiles(unittest.TestCase):
    def test_rows_name_file_and_function_only(self):
        self.assertEqual([(13.87, 11525400, "serializer.hpp: json::serializer::dump"),
                          (6.4, 5315235, "malloc.c: _int_free"),
                          (1.09, 905476, "libstdc++.so.6.0.30: operator new"),
                          (0.02, 18600, "parser.cpp: http::h1::feed")], callgrind.costliest(ANNOTATED, 25))

    def test_no_more_rows_than_asked_for(self):
        self.assertEqual(2, len(callgrind.costliest(ANNOTATED, 2)))
