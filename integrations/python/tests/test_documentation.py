# SPDX-License-Identifier: MIT
"""docs/python.md names tests that exist."""
import fnmatch
import pathlib
import re
import unittest

HERE = pathlib.Path(__file__).parent


def names_of_tests():
    for path in HERE.glob("test_*.py"):
        case = None
        for line in path.read_text().splitlines():
            if match := re.match(r"class (\w+)\(", line):
                case = match[1]
            elif match := re.match(r"    def (test_\w+)\(", line):
                yield f"{case}.{match[1]}"


class Documentation(unittest.TestCase):
    def test_names_tests_that_exist(self):
        names = list(names_of_tests())
        text = (HERE.parent / "docs/python.md").read_text()
        table = text[text.index("## What is covered"):text.index("## Limits")]
        count = 0
        for quoted in re.findall(r"`(?:test_\w+: )?([^`\n]+)`", table):
            quoted = quoted.replace("…", "*.")
            if not re.fullmatch(r"([A-Z]\w*|\*)\.[\w*]+", quoted):
                continue
            with self.subTest(name=quoted):
                self.assertTrue(fnmatch.filter(names, quoted))
            count += 1
        self.assertGreater(count, 30)


if __name__ == "__main__":
    unittest.main()
