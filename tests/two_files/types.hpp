// SPDX-License-Identifier: MIT
//
// Types whose operators are in a header of their own, which only one of two files includes; and what
// both files offer.
#ifndef CONTEXTVARS_TESTS_TWO_FILES_TYPES_HPP
#define CONTEXTVARS_TESTS_TWO_FILES_TYPES_HPP

#include <contextvars/contextvars.hpp>

#include <ostream>
#include <string>
#include <vector>

namespace two_files {

struct Plain {
    int value;
};
/// Has operators of its base; those of its own are in the other header.
struct Base {
    int value;
    friend bool operator==(const Base&, const Base&) { return false; }
    friend std::ostream& operator<<(std::ostream& out, const Base&) { return out << "base"; }
};
struct Derived : Base {};

enum Color { red, green };
enum Letter : char { letter = 'A' };
enum class Level { low, high };

struct file {
    /// The bindings that the file makes of these types, with variables of its own.
    contextvars::Context (*bind)(int value);
    /// How it prints them, sorted.
    std::string (*print)(const contextvars::Context&);
    bool (*equal)(const contextvars::Context&, const contextvars::Context&);

    /// The bindings of types that have their names for this file only.
    contextvars::Context (*bind_own)();
    /// How many of such bindings this file takes for its own types.
    int (*own)(const contextvars::Context&);
    /// Whether the file knows what the other one has bound.
    bool (*knows_plain)(const contextvars::Context&);
};
extern const file with_operators;
extern const file without_operators;

} // namespace two_files

#endif
