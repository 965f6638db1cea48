# SPDX-License-Identifier: MIT
"""Python called from Asio, whose coroutines and handlers have contexts of their own."""
import contextvars
import unittest

import bridged_asio
from bridged_asio import name
from test_calls import InAContext


class Asio(InAContext):
    def test_coroutine_runs_python_in_its_own_context(self):
        def callback():
            name.set(name.get() + "+")

        name.set("ann")
        self.assertEqual(bridged_asio.run_coroutines(20, callback).splitlines(),
                         [f"n{i}+++ of ann" for i in range(20)])
        self.assertEqual(name.get(), "ann")

    def test_handler_runs_python_in_the_context_it_was_bound_in(self):
        variable = contextvars.ContextVar("variable")
        seen = []
        name.set("ann")
        variable.set("of Python")
        bridged_asio.post(lambda: seen.append((name.get(), variable.get(), name.set("bob"))))
        self.assertEqual(seen[0][:2], ("ann", "of Python"))
        self.assertEqual(name.get(), "ann")


if __name__ == "__main__":
    unittest.main()
