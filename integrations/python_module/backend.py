# SPDX-License-Identifier: MIT
"""Builds the wheel (PEP 517): CMake builds the core and the module, and zipfile packs them.

In the repository the core is two folders up; a source distribution has it in its folder `core`.
"""
import base64
import csv
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
CORE = HERE / "core" if (HERE / "core").is_dir() else HERE.parents[1]
SOURCES = ["CMakeLists.txt", "LICENSE", "cmake", "include", "src"]  # of the core
MODULE = ["CMakeLists.txt", "src"]  # of this folder, which the core finds in its integrations


def metadata():
    """Returns the name and the version, as file names have them, and the text of METADATA."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    lists = CORE / "CMakeLists.txt"
    if not lists.exists():
        sys.exit(f"The sources of contextvars are neither in {HERE / 'core'} nor two folders up.")
    version = re.search(r"project\(contextvars VERSION ([0-9.]+)", lists.read_text())[1]
    text = f"""\
Metadata-Version: 2.1
Name: {project["name"]}
Version: {version}
Summary: {project["description"]}
License: {project["license"]["text"]}
Requires-Python: {project["requires-python"]}
"""
    return project["name"], version, text


def tag():
    abi = "cp" + sysconfig.get_config_var("SOABI").split("-")[1]
    platform = re.sub(r"[^a-z0-9]", "_", sysconfig.get_platform().lower())
    return f"cp{sys.version_info.major}{sys.version_info.minor}-{abi}-{platform}"


def built(directory):
    """Builds in the directory; returns the module and the core's library, by their names when installed."""
    if not shutil.which("cmake"):
        sys.exit("cppcontextvars is built with CMake 3.24 or newer, and there is no cmake on the PATH.")
    output = directory / "output"
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_LIBRARY_OUTPUT_DIRECTORY": output,
        "CMAKE_BUILD_WITH_INSTALL_RPATH": "ON",
        "CMAKE_INSTALL_RPATH": "@loader_path" if sys.platform == "darwin" else "$ORIGIN",
        "Python3_EXECUTABLE": sys.executable,
        "CONTEXTVARS_BUILD_PYTHON": "ON",
        "CONTEXTVARS_INSTALL": "OFF",
        **{f"CONTEXTVARS_BUILD_{what}": "OFF" for what in ("TESTS", "EXAMPLES", "BENCHMARKS", "DOCS")},
    }
    build = directory / "build"
    generator = ["-G", "Ninja"] if shutil.which("ninja") and "CMAKE_GENERATOR" not in os.environ else []
    definitions = [f"-D{name}={value}" for name, value in options.items()]
    subprocess.run(["cmake", "-S", CORE, "-B", build, *generator, *definitions], check=True)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(["cmake", "--build", build, "--target", "contextvars_python", "--parallel", jobs], check=True)
    (module,) = output.glob("cppcontextvars.*")
    # The library is loaded by its soname, which is the link between its two other names.
    (library,) = [path for path in output.glob("libcontextvars.*") if path.is_symlink() and path.suffix != ".so"]
    return {path.name: path.read_bytes() for path in (module, library)}


def write_wheel(path, files, info):
    """Writes the files and their RECORD, which is in the folder info."""
    records = io.StringIO()
    writer = csv.writer(records, lineterminator="\n")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:

        def write(name, content):
            entry = zipfile.ZipInfo(name)  # of 1980: equal contents are equal wheels
            entry.external_attr = (0o100755 if ".so" in name else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)

        for name, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            writer.writerow([name, f"sha256={digest}", len(content)])
            write(name, content)
        writer.writerow([f"{info}/RECORD", "", ""])
        write(f"{info}/RECORD", records.getvalue().encode())


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, version, text = metadata()
    info = f"{name}-{version}.dist-info"
    with tempfile.TemporaryDirectory() as directory:
        files = built(pathlib.Path(directory))
    wheel = f"Wheel-Version: 1.0\nGenerator: cppcontextvars\nRoot-Is-Purelib: false\nTag: {tag()}\n"
    files[f"{info}/METADATA"] = text.encode()
    files[f"{info}/WHEEL"] = wheel.encode()
    files[f"{info}/LICENSE"] = (CORE / "LICENSE").read_bytes()
    path = f"{name}-{version}-{tag()}.whl"
    write_wheel(pathlib.Path(wheel_directory, path), files, info)
    return path


def build_sdist(sdist_directory, config_settings=None):
    name, version, text = metadata()
    root = f"{name}-{version}"

    def cleaned(entry):
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        return None if "__pycache__" in entry.name else entry

    path = f"{root}.tar.gz"
    with tarfile.open(pathlib.Path(sdist_directory, path), "w:gz") as archive:
        for source in ("pyproject.toml", "backend.py"):
            archive.add(HERE / source, f"{root}/{source}", filter=cleaned)
        for source in SOURCES:
            archive.add(CORE / source, f"{root}/core/{source}", filter=cleaned)
        for source in MODULE:
            archive.add(HERE / source, f"{root}/core/integrations/python_module/{source}", filter=cleaned)
        info = tarfile.TarInfo(f"{root}/PKG-INFO")
        info.size = len(text.encode())
        archive.addfile(info, io.BytesIO(text.encode()))
    return path
