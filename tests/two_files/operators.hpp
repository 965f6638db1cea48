// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_TESTS_TWO_FILES_OPERATORS_HPP
#define CONTEXTVARS_TESTS_TWO_FILES_OPERATORS_HPP

#include "types.hpp"

#include <ostream>

namespace two_files {

inline bool operator==(const Plain& a, const Plain& b) { return a.value % 10 == b.value % 10; }
inline std::ostream& operator<<(std::ostream& out, const Plain& plain) {
    return out << "plain(" << plain.value << ')';
}
inline bool operator==(const Derived& a, const Derived& b) { return a.value % 10 == b.value % 10; }
inline std::ostream& operator<<(std::ostream& out, const Derived&) { return out << "derived"; }
inline std::ostream& operator<<(std::ostream& out, Letter) { return out << "letter"; }
inline std::ostream& operator<<(std::ostream& out, Color color) {
    return out << (color == red ? "red" : "green");
}
inline std::ostream& operator<<(std::ostream& out, Level level) {
    return out << (level == Level::low ? "low" : "high");
}

} // namespace two_files

#endif
