// SPDX-License-Identifier: MIT
#include <ostream>

#include "thin_file.ipp"

contextvars::Context thin::bind_with_ostream() { return bind(); }
