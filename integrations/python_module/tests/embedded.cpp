// SPDX-License-Identifier: MIT
//
// A program that embeds Python, ends it and starts it again: nothing of one run is in the next.
#include <Python.h>

#include <cstdio>

int main() {
    for (int run = 0; run != 3; ++run) {
        Py_InitializeEx(0);
        // What is bound is gone, isinstance knows the new run's types, and a value that sets as it is
        // destroyed, when its thread's dictionary is gone, leaves nothing to the next run.
        const int status = PyRun_SimpleString(
            "import collections.abc, cppcontextvars as module\n"
            "context = module.copy_context()\n"
            "assert len(context) == 0, list(context.items())\n"
            "assert isinstance(context, collections.abc.Mapping)\n"
            "variable = module.ContextVar('v')\n"
            "class Value:\n"
            "    def __del__(self, variable=variable): variable.set('left over')\n"
            "token = variable.set(Value())\n"
            "assert module.copy_context().run(variable.get) is variable.get()\n"
            "many = [module.ContextVar('w') for _ in range(200)]\n"
            "for each in many: each.set(each)\n"
            "assert all(each.get() is each for each in many)\n");
        if (status != 0 || Py_FinalizeEx() != 0) {
            std::printf("FAILED: run %d\n", run);
            return 1;
        }
    }
    std::puts("passed");
}
