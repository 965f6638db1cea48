// SPDX-License-Identifier: MIT
//
// Marks to set in a context, and to know it by.
#ifndef CONTEXTVARS_TESTS_SUPPORT_MARKS_HPP
#define CONTEXTVARS_TESTS_SUPPORT_MARKS_HPP

#include <contextvars/context_var.hpp>

#include <string>

namespace contextvars_tests {

// Two variables, since values are stored in two ways: in the map and in a node of their own.
inline contextvars::ContextVar<int> number{"number"};
inline contextvars::ContextVar<std::string> text{"text"};

inline std::string text_of(int mark) {
    return "a text that no small string holds, of mark " + std::to_string(mark);
}

inline void set_marks(int mark) {
    number.set(mark);
    text.set(text_of(mark));
}

/// Whether the current context is the one that set_marks(mark) was called in.
inline bool has_marks(int mark) {
    return number.get(-1) == mark && text.get(std::string()) == text_of(mark);
}

inline bool has_no_marks() { return number.try_get() == nullptr && text.try_get() == nullptr; }

} // namespace contextvars_tests

#endif
