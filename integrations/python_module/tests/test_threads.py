# SPDX-License-Identifier: MIT
"""Each thread has a context of its own, for as long as it lives."""
import gc
import os
import subprocess
import sys
import threading
import unittest
import weakref
from concurrent.futures import ThreadPoolExecutor

from cppcontextvars import Context, ContextVar, copy_context


def in_thread(function, *args):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


class Threads(unittest.TestCase):
    def setUp(self):
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        self.addCleanup(sys.setswitchinterval, interval)

    def test_a_thread_begins_with_nothing(self):
        variable = ContextVar("a", default=0)
        token = variable.set(1)
        self.addCleanup(variable.reset, token)

        def body():
            self.assertEqual(variable.get(), 0)
            self.assertEqual(len(copy_context()), 0)
            with self.assertRaisesRegex(ValueError, "in a different Context"):
                variable.reset(token)
            variable.set(2)

        in_thread(body)
        self.assertEqual(variable.get(), 1)

    def test_values_end_with_their_thread(self):
        class Value:
            pass

        variable = ContextVar("a")
        references = []

        def body():
            value = Value()
            references.append(weakref.ref(value))
            variable.set(value)

        for _ in range(20):
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
        gc.collect()
        self.assertEqual([reference() for reference in references], [None] * 20)

    def test_a_value_that_ends_with_its_thread_may_set(self):
        variable, other = ContextVar("a"), ContextVar("b")
        ended = []

        class Value:
            def __del__(self):
                ended.append(variable.get(None))
                other.set(Value.__name__)
                copy_context()

        for _ in range(5):
            thread = threading.Thread(target=lambda: variable.set(Value()))
            thread.start()
            thread.join()
        self.assertEqual(len(ended), 5)

    def test_values_that_use_variables_as_their_thread_ends_leave_nothing(self):
        variable, other = ContextVar("a", default=0), ContextVar("b")

        class Gets:
            def __del__(self):
                variable.get()

        class Sets:
            def __del__(self):
                other.set(bytearray(1000))

        local = threading.local()

        def local_value():
            variable.set(1)
            local.value = Gets()

        for body in (lambda: variable.set(Gets()), lambda: variable.set(Sets()), local_value):

            def blocks_after(threads):
                for _ in range(threads):
                    thread = threading.Thread(target=body)
                    thread.start()
                    thread.join()
                gc.collect()
                return sys.getallocatedblocks()

            before = blocks_after(100)
            self.assertLess(blocks_after(500) - before, 250)

    def test_a_daemon_thread_may_be_in_python_code_at_the_end(self):
        # Up to CPython 3.13 its stack is unwound. The last object alive lets it go on, and then gives
        # it the time to ask for the GIL.
        program = '''if True:
            import sys, threading
            import cppcontextvars as module
            inside, go_on = threading.Event(), threading.Lock()
            go_on.acquire()
            def wait():
                inside.set()
                go_on.acquire()
            class Value:
                def __eq__(self, other): wait()
                def __repr__(self): wait()
                def __del__(self): wait()
            variable = module.ContextVar("v")
            def compare():
                contexts = module.Context(), module.Context()
                for context in contexts: context.run(variable.set, kept[-1])
                kept.append(Value())
                contexts[1].run(variable.set, kept[-1])
                contexts[0] == contexts[1]
            def represent(): module.Context().get(kept[-1])
            def release_context():
                context = module.Context()
                context.run(variable.set, Value())
                del context
            def release_token():
                context = module.Context()
                context.run(variable.set, Value())
                token = context.run(variable.set, 1)
                del token
            def reset(): variable.reset(variable.set(Value()))
            def replace():
                variable.set(Value())
                variable.set(1)
            def release_default():
                v = module.ContextVar("v", default=Value())
                del v
            def run(): module.Context().run(wait)
            def release_iterator():
                context = module.Context()
                context.run(variable.set, Value())
                iterator = iter(context)
                del context, iterator
            def end(): variable.set(Value())
            kept = [Value()]
            threading.Thread(target=globals()[sys.argv[1]], daemon=True).start()
            inside.wait()
            class Last:
                def __del__(self, go_on=go_on, lock=threading.Lock()):
                    go_on.release()
                    lock.acquire()
                    lock.acquire(timeout=0.1)
            del Value.__del__
            sys.last = Last()
        '''
        for body in (
            "compare", "represent", "release_context", "release_token", "reset", "replace",
            "release_default", "run", "release_iterator", "end",
        ):
            with self.subTest(body):
                result = subprocess.run(
                    [sys.executable, "-c", program, body], capture_output=True, text=True
                )
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_token_is_used_wherever_its_context_runs(self):
        variable = ContextVar("a")
        context = Context()
        token = in_thread(context.run, variable.set, 1)
        self.assertEqual(context[variable], 1)
        context.run(variable.reset, token)
        self.assertNotIn(variable, context)

    def test_a_context_is_entered_by_one_thread_at_a_time(self):
        context = Context()
        inside, done = threading.Event(), threading.Event()

        def body():
            inside.set()
            done.wait()

        thread = threading.Thread(target=context.run, args=(body,))
        thread.start()
        inside.wait()
        with self.assertRaisesRegex(RuntimeError, "is already entered"):
            context.run(int)
        done.set()
        thread.join()
        context.run(int)

    def test_an_entered_context_is_read_and_copied_by_others(self):
        variables = [ContextVar(f"v{i}") for i in range(40)]
        context = Context()
        stop = False

        def write():
            i = 0
            while not stop:
                i += 1
                tokens = [variable.set(i) for variable in variables]
                for variable, token in zip(variables[::2], tokens[::2]):
                    variable.reset(token)

        thread = threading.Thread(target=context.run, args=(write,))
        thread.start()
        try:
            for _ in range(2000):
                copied = context.copy()
                self.assertEqual(len(copied), len(list(copied.items())))
                self.assertTrue(copied == copied.copy())
                context == copied
                for variable in variables:
                    context.get(variable)
                    variable in context
                copied.run(variables[0].set, 0)
        finally:
            stop = True
            thread.join()

    def test_threads_use_copies_of_one_context(self):
        variables = [ContextVar(f"v{i}") for i in range(300)]
        context = Context()
        context.run(lambda: [variable.set([0]) for variable in variables])
        before = dict(context.items())

        def work(number):
            def body():
                for i in range(2000):
                    variable = variables[(i * 7 + number) % 300]
                    token = variable.set([number])
                    self.assertEqual(variable.get(), [number])
                    if i % 3:
                        variable.reset(token)
                    if i % 50 == 0:
                        copy_context().run(variable.set, None)

            context.copy().run(body)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))
        self.assertEqual(dict(context.items()), before)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_forked_child_goes_on(self):
        variable = ContextVar("a")
        variable.set(1)
        stop = threading.Event()
        thread = threading.Thread(target=copy_context().run, args=(stop.wait,))
        thread.start()
        child = os.fork()
        if child == 0:
            good = variable.get() == 1 and variable.set(2).old_value == 1
            copy_context().run(variable.set, 3)
            gc.collect()
            os._exit(0 if good else 1)
        stop.set()
        thread.join()
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def test_a_thread_that_lost_its_context_goes_on(self):
        variable = ContextVar("a")

        def body():
            variable.set(1)
            for found in gc.get_objects():
                if isinstance(found, dict) and "cppcontextvars" in found:
                    if type(found["cppcontextvars"]).__name__ == "_thread":
                        found.clear()
            del found
            return variable.get(None), variable.set(2).old_value, len(copy_context())

        in_thread(body)


if __name__ == "__main__":
    unittest.main()
