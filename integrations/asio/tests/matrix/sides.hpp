// SPDX-License-Identifier: MIT
//
// The lines of the matrix's parts, made with plain Asio and with this library.
#ifndef CONTEXTVARS_TESTS_ASIO_MATRIX_SIDES_HPP
#define CONTEXTVARS_TESTS_ASIO_MATRIX_SIDES_HPP

#include <list>
#include <string>

namespace matrix {

using lines = std::list<std::string>;

#define MATRIX_PARTS(side)                                                                         \
    namespace side {                                                                               \
    lines awaited();                                                                               \
    lines adapted();                                                                               \
    lines started();                                                                               \
    lines together();                                                                              \
    }
MATRIX_PARTS(plain)
MATRIX_PARTS(ours)
#undef MATRIX_PARTS

} // namespace matrix

#endif
