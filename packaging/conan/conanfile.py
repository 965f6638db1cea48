# SPDX-License-Identifier: MIT
"""Conan 2 recipe of the core: conan create packaging/conan -s compiler.cppstd=20"""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

required_conan_version = ">=2.0"


class ContextvarsConan(ConanFile):
    name = "contextvars"
    description = "Python's contextvars for C++20: values that follow coroutines, callbacks and threads"
    license = "MIT"
    topics = ("context", "coroutines", "asio", "thread-local")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": True}  # there must be one copy in a process

    @property
    def project_folder(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        text = load(self, os.path.join(self.project_folder, "CMakeLists.txt"))
        self.version = re.search(r"project\(contextvars VERSION ([0-9.]+)", text)[1]

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*"):
            copy(self, pattern, self.project_folder, self.export_sources_folder)

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "EXAMPLES", "DOCS", "BENCHMARKS"):
            toolchain.cache_variables[f"CONTEXTVARS_BUILD_{part}"] = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))  # Conan writes its own

    def package_info(self):
        # CMake uses the package's own files; what follows is for the other generators.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.set_property("pkg_config_name", "contextvars")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "contextvars")]
        self.cpp_info.libs = ["contextvars"]
        self.cpp_info.system_libs = ["pthread"]
