#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# Which ratios did a run of the benchmarks find? Reads the JSON files that scripts/benchmark made
# and writes benchmarks.md, and plots beside it.
#
#     benchmarks/report.py <results> <docs> <commit> <CPU>
import collections
import json
import pathlib
import shutil
import statistics
import subprocess
import sys

QUESTIONS = ["get", "set", "copy", "run", "threads", "asio_hop_*", "asio_echo"]
FLOORS = ["thread_local", "pointer and array", "guard and pointer", "inc and dec", "Asio"]
US = "this library"
MEETING = "call of one bound callable, 2 threads"
PEERS = ["CPython", "shared unordered_map", "shared flat_map", "unordered_map of any"]
PLOTS = {
    "get": "get",
    "set_and_reset": "set and reset",
    "capture": "capture and drop",
    "spawn": "capture, enter, set, 3 gets, leave, drop",
}

HEAD = """\
# Benchmarks

`scripts/benchmark` wrote this page, from one run on one machine. **Only ratios within the run mean
anything**; nothing here is promised, and no test depends on it (`scripts/benchmark --count` gates
what does not jitter). The code is in [benchmarks/](../benchmarks), one question a file.

| | |
| --- | --- |
"""

LEGEND = """
Each figure is the processor time of one operation, in ns: the least of 15 repetitions in random
order, since what else a machine does can only add to it; the median where two threads use one
object, since how they meet is what is measured. In brackets, its ratio to this library's. **Bold: a
peer is ahead of this library.**

- A hop is linked in 12 random orders of its functions, since the order moves its time by a tenth, that
  of Asio's own as well: its figures are means.
- *bound* is the number of variables that are bound; the one in the middle of them is used. Values
  of 64 bytes have no destructor; strings are too long to lie in the object itself.
- *floor*: what cannot be avoided, and keeps nothing apart: a plain `thread_local`; a `thread_local`
  pointer to an array with an atomic count, which is never copied; that count's increment and
  decrement alone; a pointer behind a flag by which two threads cannot enter at once; or, for Asio's
  rows, Asio without contexts.
- *CPython* is the interpreter's own C interface, called from C++, **under its global lock and
  without atomics**, which the others need. Its values are made when they are set, and not converted
  when they are got.
- *shared unordered_map*: a `thread_local` pointer to a `std::shared_ptr<const std::unordered_map>`,
  keyed by integers, changed in place where nobody else has it, else copied. *shared flat_map*: the
  same with `boost::container::flat_map`. Both hold values of one type only, without type erasure,
  which a program's variables would need.
- *unordered_map of any*: a `thread_local` pointer to a `std::unordered_map` of `std::any`, copied
  whenever it is captured. None of the three notices a wrong reset, or a context that is entered
  twice, as this library and CPython do: two threads that ran one of their contexts would race. What
  it takes to notice that, and no more, is the floor *guard and pointer*.
- A second thread is alive in all runs: without one, `std::shared_ptr` would not count atomically.
  Two threads run on two processors; the time is that of one operation on one of them. What is bound
  for another thread is counted on both.

"""

WAITING = """
## What a coroutine takes that waits

Bytes of a coroutine that waits for a timer, with the timer and all that malloc adds, by so many small
values bound: by the coroutine itself, or before it was started. They are counted, not timed, and a test
gates them. The two maps are held by coroutines of Asio's themselves: no function that these call finds
their bindings.

"""

# Median ns of an operation with 10 variables bound.
ELSEWHERE = """
## Others, elsewhere

These are not in Debian. They were measured on another machine, by us, not in this run: compare them
with each other, and with the floors in the first two lines, which have no contexts to capture. In
ns, with 10 variables bound.

| | get | set and reset | capture and drop | run, empty body | capture, enter, 3 gets, leave, drop | the same with a set |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| `thread_local` | 0.23 | 1.62 | - | 0.85 | - | - |
| pointer and array | 0.26 | 0.71 | - | 1.65 | - | - |
| folly (`RequestContext`) | 2.96 | 171 | 12.7 | 22.3 | 39.6 | 221 |
| OpenTelemetry C++ (`Context`) | 25.7 | 115 | 20.5 | 62.4 | 160 | 275 |
| userver (inherited variables) | 2.84 | 26.0 | 122 | 0.72 | 123 | 137 |
| immer (`immer::map`) | 2.81 | 30.3 | 9.66 | 20.5 | 34.7 | 183 |
"""


def read(results):
    """Returns the contexts of the files, {row: {who: ns}} in order, and all variations."""
    contexts, variations = {}, []
    times = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in [path for question in QUESTIONS for path in sorted(results.glob(f"{question}.json"))]:
        run = json.loads(path.read_text())
        contexts.update(run["context"])
        by_place = lambda b: (b["family_index"], b["per_family_instance_index"])
        for benchmark in sorted(run["benchmarks"], key=by_place):
            operation, who, value, bound, *options = benchmark["run_name"].split("/")
            time = benchmark["real_time" if "manual_time" in options else "cpu_time"]
            if benchmark["run_type"] == "aggregate":
                if benchmark["aggregate_name"] == "cv":
                    variations.append(time)
                continue
            for option in options:
                if option.startswith("threads:"):
                    operation += f", {option[8:]} thread" + ("s" if option[8:] != "1" else "")
            times[(operation, value, int(bound)), who][path].append(time)
    rows = {}
    for (row, who), by_path in times.items():
        figure = statistics.median if row[0] == MEETING else min
        rows.setdefault(row, {})[who] = statistics.mean(map(figure, by_path.values()))
    return contexts, rows, variations


def nanoseconds(time):
    return f"{time:.2f}" if time < 10 else f"{time:.1f}" if time < 100 else f"{time:,.0f}"


def ratio(time, ours):
    value = time / ours
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def is_ahead(time, ours):
    return float(ratio(time, ours).replace(",", "")) < 1


def cell(times, who):
    if who not in times:
        return ""
    text = f"{nanoseconds(times[who])} ({ratio(times[who], times[US])})"
    return f"**{text}**" if who in PEERS and is_ahead(times[who], times[US]) else text


def table(rows):
    yield "| operation | value | bound | floor | " + " | ".join([US] + PEERS) + " |"
    yield "| --- | --- | ---: | --- |" + " ---: |" * (1 + len(PEERS))
    for (operation, value, bound), times in rows.items():
        floors = "<br>".join(f"{who} {cell(times, who)}" for who in FLOORS if who in times)
        cells = [operation, value, f"{bound:,}", floors, nanoseconds(times[US])]
        yield "| " + " | ".join(cells + [cell(times, who) for who in PEERS]) + " |"


def ahead(rows):
    """Yields the rows in which a peer is ahead, in words."""
    for (operation, value, bound), times in rows.items():
        faster = [who for who in PEERS if who in times and is_ahead(times[who], times[US])]
        if faster:
            yield f"{operation}; {value}, {bound:,} bound: " + ", ".join(
                f"{who} ({ratio(times[who], times[US])})" for who in faster
            )


def plot(path, operation, rows):
    lines = {}
    for (of, value, bound), times in rows.items():
        if of == operation and value == "long" and bound > 0:
            for who, time in times.items():
                lines.setdefault(who, []).append((bound, time))
    order = [who for who in [US] + PEERS + FLOORS if who in lines]
    style = lambda who: "lw 3 pt 7" if who == US else "dt 2 pt 6" if who in FLOORS else "pt 4"
    script = [
        "set terminal svg size 720,520 font 'sans-serif,12' background 'white'",
        f"set output '{path}'",
        f"set title '{operation} (long)' noenhanced",
        "set xlabel 'variables bound'",
        "set ylabel 'ns'",
        "set logscale xy",
        "set xrange [0.8:12500]",
        "set grid",
        "set key below noenhanced",
        "plot "
        + ", ".join(f"'-' title '{who}' with linespoints {style(who)}" for who in order),
    ]
    for who in order:
        script += [f"{bound} {time}" for bound, time in lines[who]] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def files(paid):
    """Yields what a file pays (see headers.py)."""
    yield "| file | to compile, ms |"
    yield "| --- | ---: |"
    for name, seconds in paid["seconds"].items():
        yield f"| {name} | {1000 * seconds:,.0f} |"
    yield ""
    yield f"A function that only gets a `long` is {paid['bytes']} bytes of code, all ways included."


def main(results, docs, commit, cpu):
    contexts, rows, variations = read(pathlib.Path(results))
    if "compiler" not in contexts:
        sys.exit(f"report.py: nothing was measured in {results}")
    facts = {
        "commit": commit,
        "compiler": contexts["compiler"],
        "CPU": cpu,
        "date": contexts["date"][:10],
        "CPython": contexts.get("CPython", "not found").split(" ")[0],
        "spread": f"half of the benchmarks varied by less than {100 * statistics.median(variations):.0f} %"
        " between repetitions (standard deviation by mean)",
    }
    page = HEAD + "".join(f"| {name} | {fact} |\n" for name, fact in facts.items()) + LEGEND
    page += "\n".join(table(rows)) + "\n\n## Where a peer is ahead\n\n"
    rows_ahead = [f"- {row}" for row in ahead(rows)]
    page += "\n".join(rows_ahead or ["In no row."]) + "\n"
    headers = pathlib.Path(results) / "headers.json"
    if headers.exists():
        page += "\n## What a file pays\n\n" + "\n".join(files(json.loads(headers.read_text()))) + "\n"
    waiting = pathlib.Path(results) / "asio_waiting.md"
    if waiting.exists():
        page += WAITING + waiting.read_text()
    docs = pathlib.Path(docs)
    if shutil.which("gnuplot"):
        (docs / "benchmarks").mkdir(exist_ok=True)
        page += "\n## By size\n"
        for name, operation in PLOTS.items():
            if not any(of == operation for of, _, _ in rows):
                continue
            plot(docs / "benchmarks" / f"{name}.svg", operation, rows)
            page += f"\n![{operation}](benchmarks/{name}.svg)\n"
    else:
        print("report.py: no plots: they need gnuplot")
    (docs / "benchmarks.md").write_text(page + ELSEWHERE)
    print(f"wrote {docs / 'benchmarks.md'}; a peer is ahead in {len(rows_ahead)} of {len(rows)} rows:")
    print("\n".join(rows_ahead))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: report.py <results> <docs> <commit> <CPU>")
    main(*sys.argv[1:])
