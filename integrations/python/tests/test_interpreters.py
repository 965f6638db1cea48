# SPDX-License-Identifier: MIT
"""Sub-interpreters are refused."""
import subprocess
import sys
import unittest


def in_a_sub_interpreter(before, program):
    """Runs `program` there, in a process of its own; it must say what it was told."""
    return subprocess.run(
        [sys.executable, "-c",
         "try:\n"
         "    import _xxsubinterpreters as interpreters\n"
         "except ImportError:\n"
         "    import _interpreters as interpreters\n"
         f"{before}\n"
         f"interpreters.run_string(interpreters.create(), {program!r})\n"],
        capture_output=True, text=True, timeout=120)


class SubInterpreter(unittest.TestCase):
    # (pybind11 2.10 itself waits for ever where its first module is imported in a sub-interpreter.)
    def test_is_refused_at_the_import(self):
        run = in_a_sub_interpreter(
            "", "try:\n    import by_hand\nexcept RuntimeError as error: print(error)\n")
        self.assertIn("sub-interpreter", run.stdout, run.stderr)
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_is_refused_at_the_first_use(self):
        run = in_a_sub_interpreter(
            "import by_hand, bridged; by_hand.set_word('main'); bridged.set(1)",
            "import by_hand, bridged\n"
            "for use in (by_hand.get_word, lambda: by_hand.number.get(), "
            "lambda: by_hand.number.set(1), bridged.get, lambda: bridged.call(print)):\n"
            "    try:\n"
            "        use()\n"
            "    except RuntimeError as error: print(error)\n")
        self.assertEqual(run.stdout.count("sub-interpreter"), 5, run.stdout + run.stderr)
        self.assertEqual(run.returncode, 0, run.stderr)


if __name__ == "__main__":
    unittest.main()
