#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# How fast is cppcontextvars, from Python code, beside the built-in contextvars in the same process?
#
#     integrations/python_module/benchmarks/python_module.py [--sets N] [--rounds N] [--docs DIRECTORY --commit TEXT --compiler TEXT]
#
# Prints a table; with --docs it writes python_benchmarks.md and the plot there (scripts/benchmark-python).
import _contextvars as builtin
import argparse
import datetime
import gc
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import time

import cppcontextvars

SIZES = [1, 10, 100, 1000]
VARIABLES = 10  # that take turns, if there are as many
REPEATED = 2 * VARIABLES  # statements in the body of the loop, so that the loop itself weighs little
OPERATIONS = {
    "get": "{variable}.get()",
    "get of a default": "unset.get()",
    "set": "{variable}.set({value})",
    "set and reset": "{variable}.reset({variable}.set({value}))",
    "copy_context": "copy_context()",
    "run": "context.run(tuple)",
    "run of a Python function": "context.run(nothing)",
    "copy_context and run": "copy_context().run(tuple)",
    "copy_context, run and set inside": "copy_context().run({variable}.set, {value})",
}
NAMES = {builtin: "built-in", cppcontextvars: "cppcontextvars"}

HEAD = """\
# Benchmarks of the Python module

`scripts/benchmark-python` wrote this page, from one run on one machine. **Only ratios within the run mean
anything**; nothing here is promised, and no test depends on it. The code is in
[benchmarks/python_module.py](../benchmarks/python_module.py).

| | |
| --- | --- |
"""

LEGEND = """
Each figure is the time of one operation in ns, called from Python code, the interpreter's share included: the
minimum of {rounds} rounds, and in brackets their median, both as the mean of {sets} sets of variables: chance decides
where the built-in module puts a variable in its map. Rounds of the two modules and of all operations take turns in
one process, with the collector off. *Ratio* is `cppcontextvars` by the built-in module, minimum by minimum and median
by median: below 1, `cppcontextvars` is faster. **Bold: it is slower**, by more than 5 %.

- *bound* is the number of variables that have a value in the context; ten of them are used in turns.
- `set` gives a variable two values in turns. `run` calls `tuple`, which costs next to nothing; a Python function
  that does nothing has a row of its own.

"""


def nothing():
    pass


def stopwatch(module, statement, bound):
    """Returns a function that takes a number of loops and returns ns for each operation."""
    variables = [module.ContextVar(f"v{i}", default=0) for i in range(bound)]
    context = module.Context()
    for i, variable in enumerate(variables):
        context.run(variable.set, object())
    # Each variable gets two values in turns: to set what is there already is less work.
    statements = [
        statement.format(variable=f"variable{i}", value=f"value{(i + turn) % 2}")
        for turn in range(REPEATED // VARIABLES)
        for i in range(VARIABLES)
    ]
    body = "\n        ".join(statements)
    parameters = ", ".join(f"variable{i}" for i in range(VARIABLES))
    source = f"""
def loop(times, {parameters}, unset, context, copy_context, value0, value1, nothing, clock):
    began = clock()
    for _ in times:
        {body}
    return clock() - began
"""
    compiled = {}
    exec(source, compiled)
    arguments = [variables[i * bound // VARIABLES] for i in range(VARIABLES)]
    arguments += [module.ContextVar("unset", default=0), context.copy(), module.copy_context]
    arguments += [object(), object(), nothing, time.perf_counter_ns]

    def run(loops):
        return context.run(compiled["loop"], range(loops), *arguments) / loops / REPEATED

    return run


def fresh_stopwatches():
    return {
        (operation, bound, module): stopwatch(module, statement, bound)
        for operation, statement in OPERATIONS.items()
        for bound in SIZES
        for module in NAMES
    }


def measure(sets, rounds):
    """Returns {(operation, bound): {module: (minimum, median)}}, each the mean over sets of variables."""
    times = {}
    loops = {}
    for _ in range(sets):
        stopwatches = fresh_stopwatches()
        in_set = {key: [] for key in stopwatches}
        for i in range(rounds):
            for (operation, bound, module), run in list(stopwatches.items())[:: 1 if i % 2 else -1]:
                if (operation, bound) not in loops:
                    loops[operation, bound] = max(1, int(200_000 / REPEATED / run(100)))
                in_set[operation, bound, module].append(run(loops[operation, bound]))
        for key, of in in_set.items():
            times.setdefault(key, []).append((min(of), statistics.median(of)))
        gc.collect()
    results = {}
    for (operation, bound, module), of in times.items():
        means = tuple(map(statistics.mean, zip(*of)))
        results.setdefault((operation, bound), {})[module] = means
    return results


def report(results, facts, options):
    page = HEAD + "".join(f"| {name} | {fact} |\n" for name, fact in facts.items())
    page += LEGEND.format(sets=options.sets, rounds=options.rounds)
    page += "| operation | bound | built-in | cppcontextvars | ratio |\n| --- | ---: | ---: | ---: | ---: |\n"
    slower = []
    for (operation, bound), times in results.items():
        cells = [f"{least:.1f} ({median:.1f})" for least, median in times.values()]
        ratios = [ours / theirs for theirs, ours in zip(times[builtin], times[cppcontextvars])]
        ratio = f"{ratios[0]:.2f} ({ratios[1]:.2f})"
        if ratios[0] > 1.05:
            slower.append(f"- {operation}, {bound:,} bound: {ratios[0]:.2f}")
            ratio = f"**{ratio}**"
        page += f"| {operation} | {bound:,} | {cells[0]} | {cells[1]} | {ratio} |\n"
    return page + "\n## Where it is slower\n\n" + "\n".join(slower or ["In no row, by more than 5 %."]) + "\n"


def plot(results, path):
    lines = [
        "set terminal svg size 720,520 font 'sans-serif,12' background 'white'",
        f"set output '{path}'",
        "set title 'time by that of the built-in module'",
        "set xlabel 'variables bound'",
        "set logscale x",
        "set xrange [0.8:1250]",
        "set yrange [0:*]",
        "set grid",
        "set key below maxcols 3 noenhanced",
        "plot 1 title 'built-in' lw 2 lc 'black', "
        + ", ".join(
            f"'-' title '{operation}' with linespoints lw 2 dt {1 + i // 5} pt {4 + i} lc {1 + i % 5}"
            for i, operation in enumerate(OPERATIONS)
        ),
    ]
    for operation in OPERATIONS:
        for bound in SIZES:
            times = results[operation, bound]
            lines.append(f"{bound} {times[cppcontextvars][0] / times[builtin][0]}")
        lines.append("e")
    subprocess.run(["gnuplot"], input="\n".join(lines) + "\n", text=True, check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--docs", type=pathlib.Path)
    parser.add_argument("--commit", default="")
    parser.add_argument("--compiler", default="")
    options = parser.parse_args()

    gc.disable()
    results = measure(options.sets, options.rounds)
    print(f"{'ns':34}{'bound':>6}{'built-in':>10}{'ours':>10}{'ratio':>8}{'of medians':>12}")
    for (operation, bound), times in results.items():
        (theirs, theirs_median), (ours, ours_median) = times[builtin], times[cppcontextvars]
        ratios = f"{ours / theirs:8.2f}{ours_median / theirs_median:12.2f}"
        print(f"{operation:34}{bound:6}{theirs:10.1f}{ours:10.1f}{ratios}")

    if options.docs:
        cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
        facts = {
            "commit": options.commit,
            "compiler": options.compiler,
            "CPython": f"{platform.python_version()}, built by {platform.python_compiler()}",
            "CPU": f"{cpu[1] if cpu else platform.processor()}, {os.cpu_count()} cores",
            "date": datetime.date.today().isoformat(),
        }
        page = report(results, facts, options)
        if shutil.which("gnuplot"):
            (options.docs / "benchmarks").mkdir(exist_ok=True)
            plot(results, options.docs / "benchmarks" / "python_module.svg")
            page += "\n## By size\n\n![time by that of the built-in module](benchmarks/python_module.svg)\n"
        else:
            print("no plot: it needs gnuplot")
        (options.docs / "python_benchmarks.md").write_text(page)


if __name__ == "__main__":
    main()
