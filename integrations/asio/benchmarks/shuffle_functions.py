#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# Writes the names of an object's sections of code in a random order, for a linker to follow. The object
# is compiled with -ffunction-sections.
#
#     benchmarks/shuffle_functions.py <objdump> <object> <seed> <file to write>
import pathlib
import random
import subprocess
import sys

objdump, compiled, seed, order = sys.argv[1:]
headers = subprocess.run([objdump, "-h", "-w", compiled], check=True, capture_output=True, text=True)
words = (line.split() for line in headers.stdout.splitlines())
sections = sorted({line[1] for line in words if len(line) > 1 and line[1].startswith(".text.")})
random.Random(int(seed)).shuffle(sections)
pathlib.Path(order).write_text("\n".join(sections) + "\n")
