# SPDX-License-Identifier: MIT
"""pip install ./integrations/python_module, in a virtual environment and without a network."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

SOURCE = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = """
import importlib.metadata, pathlib, sys, sysconfig
import cppcontextvars as module
variable = module.ContextVar("a", default=1)
context = module.copy_context()
context.run(variable.set, 2)
assert (variable.get(), context[variable]) == (1, 2)
place = pathlib.Path(module.__file__).parent
assert place == pathlib.Path(sysconfig.get_path("platlib")), place
maps = pathlib.Path("/proc/self/maps")
if maps.exists():
    libraries = {line.split()[-1] for line in maps.read_text().splitlines() if "libcontextvars" in line}
    assert {str(pathlib.Path(library).parent) for library in libraries} == {str(place)}, libraries
print(importlib.metadata.version("cppcontextvars"))
"""


class Pip(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))},
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
        }
        cls.python = cls.directory / "venv" / "bin" / "python"
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--system-site-packages", cls.directory / "venv"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=cls.environment,
        )
        if made.returncode:
            print(made.stdout, "no virtual environments here (in Debian: python3-venv)")
            sys.exit(77)

    def execute(self, *arguments):
        result = subprocess.run(
            [self.python, *arguments], cwd=self.directory, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.assertEqual(result.returncode, 0, result.stdout)
        return result.stdout

    def installed(self):
        return sorted(path for path in (self.directory / "venv").rglob("*contextvars*") if "site-packages" in str(path))

    def test_installs_from_the_repository_what_works_and_leaves_nothing_when_uninstalled(self):
        before = sorted(SOURCE.iterdir())
        self.execute("-m", "pip", "install", SOURCE)
        self.assertRegex(self.execute("-c", PROGRAM), r"^\d+\.\d+\.\d+$")
        self.assertEqual(len(self.installed()), 3)  # the module, the library, and what pip knows of them
        self.execute("-m", "pip", "uninstall", "-y", "cppcontextvars")
        self.assertEqual(self.installed(), [])
        self.assertEqual([path for path in sorted(SOURCE.iterdir()) if path.name != "__pycache__"],
                         [path for path in before if path.name != "__pycache__"])

    def test_makes_the_same_wheel_from_a_source_distribution(self):
        make = "import sys; sys.path.insert(0, sys.argv[1]); import backend; print(backend.build_sdist('.'))"
        archive = self.execute("-B", "-c", make, SOURCE).strip()
        self.execute("-m", "pip", "wheel", "--no-deps", "--wheel-dir", "wheels", archive)
        (wheel,) = (self.directory / "wheels").iterdir()
        with zipfile.ZipFile(wheel) as packed:
            self.assertIsNone(packed.testzip())
            self.assertEqual(len(packed.namelist()), 6)
        self.execute("-m", "pip", "install", wheel)
        self.execute("-c", PROGRAM)
        self.execute("-m", "pip", "uninstall", "-y", "cppcontextvars")


if __name__ == "__main__":
    unittest.main()
