# SPDX-License-Identifier: MIT
"""Allocations that fail leave everything as it was."""
import unittest

from cppcontextvars import Context, ContextVar, Token, copy_context

try:
    from _testcapi import remove_mem_hooks, set_nomemory
except ImportError:
    set_nomemory = None


@unittest.skipIf(set_nomemory is None, "no _testcapi.set_nomemory")
class Failures(unittest.TestCase):
    def each_allocation_fails(self, operation, undo=lambda result: None, check=lambda: None):
        """Runs it with the first allocation failing, then the second, and so on, until none does."""
        for failing in range(200):
            failed = False
            set_nomemory(failing, failing + 1)
            try:
                result = operation()
            except MemoryError:
                failed = True
            finally:
                remove_mem_hooks()
            if failed:
                check()
            else:
                undo(result)
                if failing > 30:
                    return
        self.fail("never succeeds")

    def test_set_and_reset_fail_whole(self):
        for size in (0, 1, 4, 8, 16, 17, 40, 300, 1100):
            variables = [ContextVar(f"v{i}") for i in range(size)]
            context = Context()
            context.run(lambda: [variable.set(i) for i, variable in enumerate(variables)])
            before = dict(context.items())
            for variable in [ContextVar("new")] + variables[-1:] + variables[:1]:
                with self.subTest(size=size, name=variable.name):
                    kept = [context.copy()]

                    def check():
                        self.assertEqual(dict(context.items()), before)
                        self.assertEqual(len(context), size)

                    def undo(token):
                        self.assertIs(token.old_value, before.get(variable, Token.MISSING))
                        kept.append(context.copy())
                        self.each_allocation_fails(
                            lambda: context.run(variable.reset, token)
                            if not repr(token).startswith("<Token used")
                            else None
                        )
                        check()
                        kept[:] = [context.copy()]

                    self.each_allocation_fails(lambda: context.run(variable.set, None), undo, check)
                    self.assertEqual(dict(kept[0].items()), before)

    def test_everything_else_fails_whole(self):
        variable = ContextVar("a")
        context = Context()
        context.run(variable.set, 1)
        for operation in (
            Context,
            copy_context,
            context.copy,
            lambda: list(context.items()),
            lambda: list(context),
            lambda: ContextVar("b", default=[]),
            lambda: repr(variable),
            lambda: context.run(variable.get),
            lambda: context == Context(),
        ):
            self.each_allocation_fails(operation)
        self.assertEqual(dict(context.items()), {variable: 1})


if __name__ == "__main__":
    unittest.main()
