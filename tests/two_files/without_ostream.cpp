// SPDX-License-Identifier: MIT
#include "thin_file.ipp"

template <class T>
concept complete = requires { sizeof(T); };
static_assert(!complete<std::ostream>, "this file is to do without");

contextvars::Context thin::bind_without_ostream() { return bind(); }
