# SPDX-License-Identifier: MIT
"""That the comparison of random programs finds what is wrong."""
import _contextvars as builtin
import gc
import random
import types
import unittest

import compare


def wrong(**replaced):
    names = ["Context", "ContextVar", "Token", "copy_context"]
    return types.SimpleNamespace(**{name: replaced.get(name, getattr(builtin, name)) for name in names})


class Comparison(unittest.TestCase):
    def setUp(self):
        gc.disable()
        self.addCleanup(gc.enable)

    def first_difference(self, module):
        for seed in range(50):
            operations = [operation for operation in compare.program(random.Random(seed)) if operation[0] != "misuse"]
            found = compare.difference(module, operations, in_thread=False)
            if found:
                return found, module, operations
        self.fail("no difference")

    def test_finds_nothing_between_a_module_and_itself(self):
        for seed in range(5):
            operations = compare.program(random.Random(seed))
            self.assertIsNone(compare.difference(wrong(), operations, in_thread=False))
            self.assertIsNone(compare.difference(wrong(), operations, in_thread=True))

    def test_finds_copies_that_live_too_long(self):
        kept = []

        def copy_context():
            kept.append(builtin.copy_context())
            return kept[-1]

        (_, expected, found), _, _ = self.first_difference(wrong(copy_context=copy_context))
        self.assertEqual(expected[0], "died")
        self.assertNotEqual(found, expected)

    def test_finds_copies_that_lack_a_variable(self):
        def copy_context():
            context = builtin.Context()
            for variable, value in list(builtin.copy_context().items())[1:]:
                context.run(variable.set, value)
            return context

        self.first_difference(wrong(copy_context=copy_context))

    def test_finds_copies_that_are_the_current_context_at_an_earlier_time(self):
        last = [builtin.Context()]

        def copy_context():
            last.append(builtin.copy_context())
            return last.pop(0)

        self.first_difference(wrong(copy_context=copy_context))

    def test_leaves_out_what_a_difference_does_not_need(self):
        _, module, operations = self.first_difference(wrong(copy_context=builtin.Context))
        shorter = compare.minimised(module, operations, in_thread=False)
        self.assertLess(len(shorter), 10)
        self.assertIsNotNone(compare.difference(module, shorter, in_thread=False))


if __name__ == "__main__":
    unittest.main()
