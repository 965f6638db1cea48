// SPDX-License-Identifier: MIT
//
// Types that print, for files that know nothing of <ostream> but std::ostream's name.
#ifndef CONTEXTVARS_TESTS_TWO_FILES_THIN_TYPES_HPP
#define CONTEXTVARS_TESTS_TWO_FILES_THIN_TYPES_HPP

#include <contextvars/context.hpp>

#include <bitset>
#include <iosfwd>
#include <memory_resource>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

namespace thin {

// Functions, which thin_operators.cpp defines.
struct Plain {
    int value;
};
std::ostream& operator<<(std::ostream& out, const Plain& plain);
struct ByValue {
    int value;
};
std::ostream& operator<<(std::ostream& out, ByValue value);
struct Friendly {
    int value;
    friend std::ostream& operator<<(std::ostream& out, const Friendly& friendly);
};
struct OfBase : Plain {};
enum Color { red, green };
std::ostream& operator<<(std::ostream& out, Color color);
enum class Level { low, high };
std::ostream& operator<<(std::ostream& out, Level level);
std::ostream& operator<<(std::ostream& out, const std::vector<Plain>& many);

// Templates, whose bodies need a complete std::ostream.
struct Templated {
    int value;
};
template <class Stream>
Stream& operator<<(Stream& out, const Templated& templated) {
    out << "templated(" << templated.value << ')';
    return out;
}
struct Derived : Plain {};
template <class Char, class Traits>
std::basic_ostream<Char, Traits>& operator<<(std::basic_ostream<Char, Traits>& out,
                                             const Derived& derived) {
    return out << "derived(" << derived.value << ')';
}
template <class T>
struct Holder {
    T held;
    friend std::ostream& operator<<(std::ostream& out, const Holder& holder) {
        return out << holder.held;
    }
};
namespace takes_all {
struct Type {
    int value;
};
template <class Stream, class T>
auto& operator<<(Stream& out, const T& value) {
    return out << value.value;
}
} // namespace takes_all
namespace takes_all_values {
struct Type {
    int value;
};
template <class T>
auto& operator<<(std::ostream& out, T value) {
    return out << value.value;
}
} // namespace takes_all_values

// Functions, of which one takes what can be made of anything, also of what is no value.
namespace made_of_all {
struct Mute {};
struct Type {
    template <class T>
    Type(const T&) : of_mute(std::is_same_v<T, Mute>) {}
    bool of_mute;
};
std::ostream& operator<<(std::ostream& out, const Type& type);
struct Beside {
    int value;
};
std::ostream& operator<<(std::ostream& out, const Beside& beside);
} // namespace made_of_all

/// The bindings that a file makes of these, with variables of its own.
contextvars::Context bind_without_ostream();
contextvars::Context bind_with_ostream();
/// Of the standard library's types whose headers may include <ostream>.
contextvars::Context bind_standard_types();

} // namespace thin

#endif
