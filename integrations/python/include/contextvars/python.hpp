// SPDX-License-Identifier: MIT
//
// One context for C++ and Python: C++ context variables follow Python's built-in contexts, and so
// asyncio's tasks, asyncio.to_thread and everything else that carries those. One built-in Python
// variable holds the C++ bindings; a C++ function that Python calls makes them current for as long
// as it runs. What is covered, and how: docs/python.md.
//
//     call_scope        at the top of a C++ function that Python calls
//     python_scope      around a call of Python by C++, on whatever thread
//     python_context    what a C++ callback keeps to call Python in the right context later
//
// It needs CPython 3.11 or newer with its GIL, and the shared library of contextvars. For pybind11
// there is <contextvars/python/pybind11.hpp>, which also exposes variables to Python.
#ifndef CONTEXTVARS_PYTHON_HPP
#define CONTEXTVARS_PYTHON_HPP

#include <contextvars/python/call_scope.hpp>
#include <contextvars/python/expose.hpp>
#include <contextvars/python/python_scope.hpp>

#include <contextvars/contextvars.hpp>

#endif
