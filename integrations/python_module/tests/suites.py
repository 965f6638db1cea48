# SPDX-License-Identifier: MIT
"""Runs a suite of CPython's, unmodified, with cppcontextvars in place of contextvars.

    suites.py SUITE             e.g. test_asyncio.test_tasks
    suites.py --builtin SUITE   without the module, all else the same

It fails where no test passed, where the module was not what the suite used, and where a test failed
that is not in known_failures.txt or does not also fail without the module.
"""
import _contextvars as builtin
import argparse
import importlib
import importlib.abc
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
NAMES = ["Context", "ContextVar", "Token", "copy_context"]
NO_SUITE = 77  # what ctest takes for "skipped"


class Blocker(importlib.abc.MetaPathFinder):
    """Blocks the accelerators, whose contexts are the interpreter's own, from being imported."""

    names = {"_asyncio", "_decimal"}

    def find_spec(self, name, path, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)


def swap(module):
    early = [name for name in ("asyncio", "decimal", "_pydecimal", "_asyncio", "_decimal") if name in sys.modules]
    if early:
        sys.exit(f"{early} came before the swap")
    sys.meta_path.insert(0, Blocker())
    if module is not builtin:
        sys.modules["contextvars"] = sys.modules["_contextvars"] = module
        if any(getattr(module, name) is getattr(builtin, name) for name in NAMES):
            sys.exit("the module offers the interpreter's own objects")


def offer_hamt(adapter):
    """HamtTest imports its subject from one of these."""
    for name in ("_testcapi", "_testinternalcapi"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if hasattr(module, "hamt"):
            module.hamt = adapter


def check_swap(module, suite):
    """Asserts that what the suite has just used are the module's types."""
    import contextvars
    import asyncio
    import decimal
    import _pydecimal

    async def task_context():
        # The name of the attribute is that of the task in Python; the C one has no such attribute.
        return asyncio.current_task()._context, contextvars.copy_context()

    with asyncio.Runner() as runner:
        for context in runner.run(task_context()):
            assert type(context) is module.Context, f"a task's context is {context!r}"
    assert decimal.Decimal is _pydecimal.Decimal, "decimal is not the one in Python"
    assert type(_pydecimal._current_context_var) is module.ContextVar, "decimal's variable"
    outside = decimal.getcontext()
    inside = module.Context().run(decimal.getcontext)
    assert inside is not outside and module.copy_context().run(decimal.getcontext) is outside
    for name in ("contextvars", "_contextvars"):
        assert sys.modules[name] is module, f"{name} was swapped back"
    for name in Blocker.names:
        assert sys.modules.get(name) is None, f"{name} was imported"
    used = getattr(suite, "contextvars", module)
    assert used is module, f"the suite used {used!r}"


class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


class Runs:
    """What all runs of a suite came to."""

    def __init__(self):
        self.passed = self.skipped = 0
        self.failed = set()

    def run(self, tests):
        result = unittest.TextTestRunner(resultclass=Result).run(tests)
        self.passed += result.passed
        self.skipped += len(result.skipped)
        for test in [test for test, _ in result.failures + result.errors] + result.unexpectedSuccesses:
            self.failed.add(getattr(test, "test_case", test).id())  # a subtest fails for its test


def has_suite(name):
    try:
        return importlib.util.find_spec("test.support") and importlib.util.find_spec(f"test.{name}")
    except ModuleNotFoundError:
        return False


def run_suite(name):
    """Returns the suite and its Runs, run with what regrtest calls resources."""
    from test import support

    support.use_resources = ["cpu", "decimal"]
    suite = importlib.import_module(f"test.{name}")
    runs = Runs()
    if hasattr(suite, "test_main") and not hasattr(suite, "load_tests"):
        # An old suite, which adds tests as it runs them by way of these two.
        import doctest

        load = unittest.defaultTestLoader.loadTestsFromTestCase
        suite.run_unittest = lambda *cases: runs.run(unittest.TestSuite(map(load, cases)))
        suite.run_doctest = lambda module, verbosity=None, optionflags=0: runs.run(
            doctest.DocTestSuite(module, optionflags=optionflags)
        )
        suite.test_main()
    else:
        runs.run(unittest.defaultTestLoader.loadTestsFromModule(suite))
    return suite, runs


def known_failures():
    """Returns {test: reason}."""
    lines = (HERE / "known_failures.txt").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def failures_of_builtin(suite):
    with tempfile.NamedTemporaryFile() as report:
        command = [sys.executable, __file__, "--builtin", "--report", report.name, suite]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return json.load(report)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--builtin", action="store_true")
    parser.add_argument("--report")
    parser.add_argument("suite")
    options = parser.parse_args()
    if options.builtin:
        module = builtin
    else:
        import cppcontextvars as module
    swap(module)
    if not has_suite(options.suite):
        print(f"{sys.executable} has no test.{options.suite} (in Debian: libpython3.11-testsuite)")
        return NO_SUITE
    if not options.builtin:
        from hamt import hamt

        offer_hamt(hamt)
    suite, runs = run_suite(options.suite)
    if not options.builtin:
        check_swap(module, suite)
    failed = sorted(runs.failed)
    if options.report:
        pathlib.Path(options.report).write_text(json.dumps(failed))
    print(f"{options.suite}: {runs.passed} passed, {len(failed)} failed, {runs.skipped} skipped")
    if runs.passed == 0:
        print("no test passed")
        return 1
    if not failed or options.builtin:
        return bool(failed)

    known, also = known_failures(), failures_of_builtin(options.suite)
    status = 0
    for test in failed:
        if test not in also:
            print(f"  {test}: fails with the module only")
        elif test not in known:
            print(f"  {test}: fails without the module as well, but is not in known_failures.txt")
        else:
            print(f"  {test}: known: {known[test]}")
            continue
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
