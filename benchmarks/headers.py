#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# What does a file pay for one variable and one get, in compile time and code? Prints JSON.
#
#     benchmarks/headers.py <compiler> <include>
import json
import pathlib
import resource
import subprocess
import sys
import tempfile

REPETITIONS = 9
GET = """\
#include <contextvars/context_var.hpp>
extern contextvars::ContextVar<long> v;
extern "C" long function_that_gets() { return v.get(); }
"""
FILES = {
    "an empty file": "",
    "`#include <string>`": "#include <string>\n",
    "one variable, one get": '#include <contextvars/context_var.hpp>\ncontextvars::ContextVar<long> v{"v"};\n'
    "long get() { return v.get(); }\n",
}


def processor_time():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compile_file(command, path):
    before = processor_time()
    subprocess.run(command + ["-c", path, "-o", path.with_suffix(".o")], check=True)
    return processor_time() - before


def main(compiler, include):
    command = [compiler, "-std=c++20", "-O2", "-DNDEBUG", f"-I{include}"]
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "file.cpp"
        times = {}
        for _ in range(REPETITIONS):
            for name, text in FILES.items():
                path.write_text(text)
                times.setdefault(name, []).append(compile_file(command, path))
        path.write_text(GET)
        compile_file(command, path)
        nm = ["nm", "--print-size", "--radix=d", path.with_suffix(".o")]
        symbols = subprocess.run(nm, check=True, text=True, stdout=subprocess.PIPE).stdout
    # `address size type name`. What the compiler holds unlikely may be apart, as `….cold`.
    parts = [line.split() for line in symbols.splitlines() if " function_that_gets" in line]
    paid = {
        "seconds": {name: min(of) for name, of in times.items()},
        "bytes": sum(int(size) for _, size, _, _ in parts),
    }
    print(json.dumps(paid, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: headers.py <compiler> <include>")
    main(*sys.argv[1:])
